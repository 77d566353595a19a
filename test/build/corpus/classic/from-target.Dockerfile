FROM corpus:base AS wanted
LABEL stage=wanted
FROM corpus:base
LABEL stage=last
