FROM corpus:base
VOLUME /v
RUN echo kept >/v/f
