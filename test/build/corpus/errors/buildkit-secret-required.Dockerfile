FROM corpus:base
RUN --mount=type=secret,id=x,required true
# expect: secret x: not found
