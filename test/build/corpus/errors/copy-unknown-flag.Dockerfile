FROM corpus:base
COPY --foo=1 a.txt /x
# expect: Unknown flag: foo
