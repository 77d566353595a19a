FROM corpus:base
RUN echo said; exit 3
# expect: The command '/bin/sh -c echo said; exit 3' returned a non-zero code: 3
