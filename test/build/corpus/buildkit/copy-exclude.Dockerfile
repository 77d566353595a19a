FROM corpus:base
COPY --exclude=*.txt dir /a/
COPY --exclude=**/*.txt --exclude=*.md dir /b/
COPY --exclude=sub dir /c/
ADD --exclude=a* *.txt /d/
