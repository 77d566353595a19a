FROM corpus:base
EXPOSE x
# expect: nvalid containerPort: x
