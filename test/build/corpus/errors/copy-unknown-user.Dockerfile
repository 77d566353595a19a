FROM corpus:base
COPY --chown=eve a.txt /x
# expect: unable to convert uid/gid chown string to host mapping: can't find uid for user eve: no such user: eve
