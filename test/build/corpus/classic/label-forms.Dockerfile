FROM corpus:base
LABEL a=1 "b c"="d e" f='g h'
LABEL old the rest
LABEL multi="one \
two"
LABEL a=2 empty=
