FROM corpus:base
HEALTHCHECK --interval=5s CMD first
HEALTHCHECK CMD second
