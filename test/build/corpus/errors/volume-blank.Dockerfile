FROM corpus:base
VOLUME [""]
# expect: VOLUME specified can not be an empty string
