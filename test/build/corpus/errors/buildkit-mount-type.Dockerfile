FROM corpus:base
RUN --mount=type=x a
# expect: unsupported mount type "x"
