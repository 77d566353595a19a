FROM corpus:base
SHELL a
# expect: SHELL requires the arguments to be in JSON form
