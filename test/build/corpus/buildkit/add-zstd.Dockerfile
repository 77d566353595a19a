FROM corpus:base
ADD archive.tar.zst /zst/
