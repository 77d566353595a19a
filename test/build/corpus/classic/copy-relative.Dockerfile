FROM corpus:base
WORKDIR /w
COPY a.txt .
COPY a.txt name
COPY dir ./d
COPY b.md sub/
COPY ./dir/../a.txt dots
