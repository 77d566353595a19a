FROM corpus:base
ENV a
# expect: ENV must have two arguments
