FROM corpus:base
RUN echo shell $HOME >/shell; ls / >/dev/null
RUN ["sh", "-c", "echo exec >/exec"]
RUN [ "sh", "-c", "echo 'two  words' >/words" ]
RUN echo ['not json'] >/text
