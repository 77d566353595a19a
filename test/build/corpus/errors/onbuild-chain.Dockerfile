FROM corpus:base
ONBUILD ONBUILD RUN x
# expect: Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed
