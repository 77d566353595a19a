FROM corpus:base
COPY --parents dir /whole/
COPY --parents dir/sub ./dir/./sub /part/
