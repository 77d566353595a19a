FROM corpus:base
RUN <<EOF
#!/bin/busybox sh
echo "$0" >/o
EOF
