FROM corpus:base
ARG =x
# expect: ARG names can not be blank
