FROM corpus:base
ARG URL
ADD $URL/file.txt /x
ADD $URL/file.txt /d/
ADD --chown=1:2 $URL/archive.tar.gz /not-unpacked/
