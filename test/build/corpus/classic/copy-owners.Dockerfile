FROM corpus:base
COPY --chown=bob:bobs a.txt /names
COPY --chown=1:2 dir /ids
COPY --chown=7 a.txt /new/sub/one
COPY --chown=bob:3 dir/sub /deep/er/dir
COPY --chown=0:bobs a.txt /group
