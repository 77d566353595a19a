FROM corpus:base
STOPSIGNAL FOO
# expect: nvalid signal: FOO
