FROM corpus:base
ARG A=1
ARG B
ARG C=unused
ENV C=env
RUN echo "$A-$B-$C" >/o
RUN ["sh", "-c", "echo $A >/p"]
