FROM corpus:base
RUN echo $HTTP_PROXY $http_proxy >/o
