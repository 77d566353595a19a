FROM corpus:base
ARG NEEDED
ENV A="${NEEDED:?has to be given}" B=${NEEDED?}
