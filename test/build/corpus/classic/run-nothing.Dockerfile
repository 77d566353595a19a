FROM corpus:base
RUN true
RUN echo said
