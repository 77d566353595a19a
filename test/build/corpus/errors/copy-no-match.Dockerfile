FROM corpus:base
COPY *.nope /x
# expect: COPY failed: no source files were specified
