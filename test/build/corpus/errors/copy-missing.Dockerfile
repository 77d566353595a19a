FROM corpus:base
COPY nope /x
# expect: COPY failed: file not found in build context or excluded by .dockerignore: stat nope: file does not exist
