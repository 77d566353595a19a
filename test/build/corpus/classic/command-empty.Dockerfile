FROM corpus:base
CMD ["x"]
CMD []
