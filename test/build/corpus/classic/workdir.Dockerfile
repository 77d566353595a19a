FROM corpus:base
WORKDIR /a
WORKDIR b
WORKDIR ../c
ENV D=/env
WORKDIR $D/x
WORKDIR "/quoted dir"
WORKDIR /data
