FROM corpus:base
RUN echo x >/one && ln /one /two && ln -s one /three && mkdir -m 1770 /sticky && touch /sticky/f && chmod 4711 /sticky/f
