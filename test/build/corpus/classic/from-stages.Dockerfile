FROM corpus:base AS one
RUN echo one >/one
FROM one AS Two
RUN echo two >/two
FROM corpus:base
COPY --from=one /one /a
COPY --from=1 /two /b
COPY --from=TWO /one /two /c/
