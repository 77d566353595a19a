FROM corpus:base
USER bob
RUN id -u >/tmp/u; id -g >/tmp/g; id -G >/tmp/G; echo $HOME >/tmp/h
USER 1700:1800
RUN id -u >/tmp/u2; id -g >/tmp/g2
USER root
RUN id -u >/tmp/u3; chown bob:bobs /data/seed
