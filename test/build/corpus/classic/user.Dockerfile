FROM corpus:base
USER bob
USER $HOME
USER 5:6
