FROM corpus:base
COPY a
# expect: COPY requires at least two arguments, but only one was provided. Destination could not be determined
