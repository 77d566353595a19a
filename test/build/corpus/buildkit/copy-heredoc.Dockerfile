FROM corpus:base
ENV NAME=value
COPY <<EOF /expanded
name is $NAME and \$NAME
EOF
COPY <<"EOF" /plain
name is $NAME
EOF
COPY --chown=1:2 --chmod=600 <<-one <<two a.txt /many/
	tabs go
	one
two stays
two
ADD <<EOF /added
added
EOF
