# syntax=docker/dockerfile:1.7-labs
# check=skip=all
FROM corpus:base
LABEL a=b
