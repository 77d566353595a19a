FROM corpus:base
COPY --from=corpus:base /data /copied
COPY --from=corpus:base /etc/passwd /etc/group /both/
COPY --from=corpus:base --chown=3:4 /data/seed /owned
