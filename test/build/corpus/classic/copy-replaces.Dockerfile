FROM corpus:base
RUN mkdir -p /x/sub && echo old >/x/a.txt && echo kept >/x/kept && ln -s /etc/passwd /x/one.txt && chmod 700 /x && chown 5:6 /x
COPY dir /x
COPY a.txt /x/kept
COPY a.txt /data/seed
