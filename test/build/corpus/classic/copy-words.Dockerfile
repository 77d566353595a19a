FROM corpus:base
COPY ["with space.txt", "/to here/"]
ENV NAME=a DIR=/env
COPY ${NAME}.txt ${DIR}/$NAME
COPY a\.txt /escaped
