FROM corpus:base
COPY a.txt b.md /x
# expect: When using COPY with more than one source file, the destination must be a directory and end with a /
