FROM corpus:base
COPY *.txt /one/
COPY d?r/*.txt /two/
COPY [ab].* /three/
COPY dir* /four/
COPY di*/sub /five/
