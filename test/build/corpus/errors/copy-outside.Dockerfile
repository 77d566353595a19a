FROM corpus:base
COPY ../x /x
# expect: COPY failed: forbidden path outside the build context: ../x ()
