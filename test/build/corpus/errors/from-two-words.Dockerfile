FROM corpus:base x
# expect: FROM requires either one or three arguments
