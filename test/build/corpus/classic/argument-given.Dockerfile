FROM corpus:base
LABEL before=$GIVEN
ARG GIVEN=default
LABEL after=$GIVEN
ENV GIVEN=env
LABEL env=$GIVEN
ARG EMPTY=default
LABEL empty="<$EMPTY>"
