FROM corpus:base
RUN --mount=type=secret,id=none,target=/run/secrets/none ! test -e /run/secrets/none && echo absent >/o
