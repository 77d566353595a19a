FROM corpus:base
WORKDIR /w/x
RUN pwd >here && echo $PWD >env
WORKDIR ../y
RUN pwd >here
