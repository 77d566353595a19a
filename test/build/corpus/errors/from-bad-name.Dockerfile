FROM corpus:base AS 1x
# expect: invalid name for build stage: "1x", name can't start with a number or contain symbols
