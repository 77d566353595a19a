FROM corpus:base AS source
RUN echo before > /f && chmod 640 /f
FROM corpus:base
RUN --mount=from=source,source=/f,target=/m/f,rw echo after > /m/f && cat /m/f > /seen && stat -c %a /m/f >> /seen
RUN --mount=from=source,source=/f,target=/m/f cat /m/f >> /seen
