FROM corpus:base
ADD a.txt /x
ADD --chown=bob:bobs b.md script.sh /many/
ADD dir /d
ADD *.txt /all/
