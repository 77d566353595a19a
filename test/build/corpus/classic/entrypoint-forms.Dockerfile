FROM corpus:base
ENTRYPOINT ["a", "b"]
ENTRYPOINT exec top -b
