FROM corpus:base
COPY --parents dir/sub/two.txt a.txt /p/
COPY --parents ./dir/./sub/two.txt /pivot/
COPY --parents **/*.txt /deep/
