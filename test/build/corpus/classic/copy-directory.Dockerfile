FROM corpus:base
COPY dir /d
COPY dir/ /e/
COPY dir/sub /f/g
COPY dir /data
COPY . /all/
