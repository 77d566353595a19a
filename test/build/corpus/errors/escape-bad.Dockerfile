# escape=x
FROM corpus:base
# expect: invalid escape token 'x' does not match ` or \
