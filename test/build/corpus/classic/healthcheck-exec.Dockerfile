FROM corpus:base
HEALTHCHECK CMD ["true", "a b"]
