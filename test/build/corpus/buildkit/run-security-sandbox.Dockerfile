FROM corpus:base
RUN --security=sandbox echo x >/o
