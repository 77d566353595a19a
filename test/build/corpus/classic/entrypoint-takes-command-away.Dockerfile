FROM corpus:base AS one
CMD ["inherited"]
FROM one AS two
ENTRYPOINT ["entry"]
FROM two
CMD ["own"]
ENTRYPOINT ["other"]
