FROM corpus:base
RUN --security=insecure true
# expect: security.insecure is not allowed
