FROM scratch
COPY a.txt /a.txt
CMD ["/a.txt"]
