FROM corpus:base AS one
RUN mkdir -p /t/s && echo x >/t/s/f && chown -R 4005:4006 /t && chmod 2750 /t/s && ln -s s/f /t/l && ln /t/s/f /t/h
FROM corpus:base
COPY --from=one /t /t
COPY --from=one /t/l /l
COPY --from=one /t/s/f /new/f
COPY --from=one /t/* /glob/
