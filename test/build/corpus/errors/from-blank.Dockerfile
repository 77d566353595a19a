ARG NONE
FROM ${NONE}
# expect: base name (${NONE}) should not be blank
