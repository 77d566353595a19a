FROM corpus:base
RUN --network=none ls /sys/class/net >/none
RUN --network=default ls /sys/class/net | sort | tr '\n' ' ' >/default
