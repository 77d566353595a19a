FROM corpus:base
COPY --chmod=0640 a.txt /octal
COPY --chmod=711 dir /tree
COPY --chmod=u=rwX,go=rX modes /symbolic
COPY --chmod=+x --chown=1:2 a.txt /both
ADD --chmod=600 b.md /added
