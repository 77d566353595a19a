# escape=`
FROM corpus:base
ENV A=C:\dir B=`$A
RUN echo one `
    two >/o
LABEL path="C:\x"
