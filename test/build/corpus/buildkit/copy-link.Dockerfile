FROM corpus:base
COPY --link a.txt /x
COPY --link --chown=3:4 dir /d/
ADD --link=true b.md /y
