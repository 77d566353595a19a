FROM corpus:base AS one
ARG LOCAL=local
FROM one
LABEL inherited=$LOCAL
