FROM corpus:base
COPY setuid /setuid
