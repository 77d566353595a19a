FROM corpus:base
HEALTHCHECK --start-interval=2s --start-period=10s CMD true
