FROM corpus:base
ENV A=1 B="two words" C=two\ words D='single $A' E=
ENV OLD the  rest of "it"
ENV A=2
ENV F=$A G=${B} H="$A$B" I=\$A J=${A}x
ENV PATH=$PATH:/more
RUN echo "$A|$B|$C|$D|$E|$OLD|$F|$G|$H|$I|$J|$PATH" >/o
