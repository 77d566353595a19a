FROM corpus:base AS one
ONBUILD RUN <<EOF
echo a >/o
echo b >>/o
EOF
FROM one
RUN cat /o >/p
