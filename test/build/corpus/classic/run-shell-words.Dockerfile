FROM corpus:base
ENV V=value
RUN echo "a  b" 'c $V' "d $V" \
    && echo \$V >/v \
    # a comment
    ; echo e >>/v
