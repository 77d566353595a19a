FROM corpus:base
RUN rm /data/seed && mkdir /data/sub && touch /data/sub/x
RUN rm -r /data/sub && touch /data/sub
RUN rm -r /root && mkdir /root && echo new >/root/new
RUN mkdir /gone && rmdir /gone
RUN chmod 700 /home && ln -s /etc/passwd /pw && mkfifo -m 640 /pipe
