FROM corpus:base
SHELL ["/bin/sh", "-ec"]
RUN echo $0 $- >/o
CMD c
ENTRYPOINT e
SHELL ["/bin/busybox", "sh", "-c"]
RUN echo again >/p
