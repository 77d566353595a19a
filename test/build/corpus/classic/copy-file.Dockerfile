FROM corpus:base
COPY a.txt /x
COPY a.txt /new/dir/y
COPY a.txt /slash/
COPY a.txt /bin
COPY b.md script.sh /many/
COPY script.sh /script.sh
