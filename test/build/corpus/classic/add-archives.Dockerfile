FROM corpus:base
ADD archive.tar /tar/
ADD archive.tar.gz /gz
ADD archive.tar.bz2 /bz2/
ADD archive.tar.xz /xz/
ADD archive.tar archive.tar.gz /both/
ADD archive.tar /data
COPY archive.tar /copied/
ADD plain.gz /plain/
