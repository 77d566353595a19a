FROM corpus:base
COPY --chown a.txt /x
# expect: Missing a value on flag: chown
