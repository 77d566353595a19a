FROM corpus:base AS never
RUN exit 1
FROM corpus:base AS needed
RUN echo x >/x
FROM corpus:base
COPY --from=needed /x /x
