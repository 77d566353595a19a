FROM corpus:base AS one
ONBUILD RUN echo triggered >/triggered
ONBUILD ENV TRIGGERED=yes
ONBUILD COPY a.txt /from-trigger
ONBUILD ARG X=1
FROM one AS two
RUN cat /triggered >/copy
FROM two
ONBUILD CMD ["later"]
