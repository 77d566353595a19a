FROM corpus:base
COPY --chmod=9 a.txt /x
# expect: invalid chmod parameter: '9'
