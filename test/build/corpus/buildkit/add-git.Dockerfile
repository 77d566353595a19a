FROM corpus:base
ARG URL
ADD $URL/repository.git /all
ADD $URL/repository.git#v1:sub /part
ADD --chown=1:2 $URL/repository.git#main /main
