FROM corpus:base
HEALTHCHECK FOO x
# expect: Unknown type "FOO" in HEALTHCHECK (try CMD)
