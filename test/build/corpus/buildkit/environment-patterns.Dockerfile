FROM corpus:base
ENV P=/usr/local/bin/x.tar.gz
ENV A=${P#*/} B=${P##*/} C=${P%.*} D=${P%%.*} E=${P/local/L} F=${P//\//-} G=${P-unset} H=${NONE-unset} I=${NONE+set}
