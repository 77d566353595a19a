FROM corpus:base AS one
RUN mkdir /s && echo stage >/s/f
FROM corpus:base
RUN --mount=target=/ctx cat /ctx/a.txt >/a && ! touch /ctx/new
RUN --mount=type=bind,from=one,source=/s,target=/mnt,rw echo more >>/mnt/f && cat /mnt/f >/b
RUN --mount=type=bind,from=corpus:base,src=data/seed,dst=/seed cat /seed >/c
RUN --mount=type=bind,source=dir,target=/data/over ls /data/over >/d
