FROM corpus:base
COPY link.txt /link
COPY link.txt /as/
COPY dirlink /followed
COPY links /links
COPY links/hard /hard
