FROM corpus:base
ENV a=b c
# expect: Syntax error - can't find = in "c". Must be of the form: name=value
