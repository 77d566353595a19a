# A comment first

FROM corpus:base
  # indented
  RUN echo a >/o \
  # within
    && echo b \

      >>/o \
    && echo "c # no comment" >>/o
label lower=case
  Env mixed=Case \
      second=line
