FROM corpus:base
ARG URL
ADD --unpack=false archive.tar /kept/
ADD --unpack=true $URL/archive.tar.gz /unpacked/
