FROM corpus:base
RUN <<EOF
echo one >/o
# a comment of the shell
echo two >>/o
EOF
RUN cat <<A >/a && cat <<'B' >/b
$HOME
A
$HOME
B
RUN <<-TABS
	echo "  kept" >/tabs
	TABS
RUN cat 3<<THREE <<FOUR >/c
three
THREE
four
FOUR
