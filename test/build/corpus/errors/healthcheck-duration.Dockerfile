FROM corpus:base
HEALTHCHECK --interval=x CMD y
# expect: time: invalid duration "x"
