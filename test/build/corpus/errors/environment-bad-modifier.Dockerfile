FROM corpus:base
ENV a=${b:x}
# expect: failed to process "${b:x}": unsupported modifier (
