FROM corpus:base
ENV a="${b:?is needed}"
# expect: b: is needed
