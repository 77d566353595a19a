FROM corpus:base
COPY --chown=1 --chown=2 a.txt /x
# expect: Duplicate flag specified: chown
