FROM corpus:base
RUN mkdir /real && ln -s /real /l && ln -s real /r && ln -s /real/file /f && ln -s ../../../../../../real /up
COPY a.txt /l/a
COPY a.txt /r/
COPY b.md /f
COPY dir /l/
COPY b.md /up/
