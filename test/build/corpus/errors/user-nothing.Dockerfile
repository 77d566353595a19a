FROM corpus:base
USER
# expect: USER requires exactly one argument
