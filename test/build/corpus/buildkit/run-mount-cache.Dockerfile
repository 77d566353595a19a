FROM corpus:base AS one
RUN --mount=type=cache,id=corpus,target=/cache,mode=0700,uid=5 echo kept >/cache/f && stat -c '%a %u' /cache >/o
FROM corpus:base
COPY --from=one /o /o
RUN --mount=type=cache,id=corpus,target=/cache cat /cache/f >/f
RUN --mount=type=cache,id=corpus,target=/cache,ro ! touch /cache/no
