FROM corpus:base
# expect: target stage "nope" could not be found
