FROM corpus:base
RUN mkdir /v && echo before >/v/f
VOLUME /v
VOLUME /a /b
VOLUME ["/c d", "/e"]
ENV P=/env
VOLUME $P
