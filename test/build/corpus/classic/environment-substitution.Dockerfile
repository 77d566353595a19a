FROM corpus:base
ENV SET=set EMPTY=
ENV A=${SET:-no} B=${EMPTY:-default} C=${NONE:-default} D=${SET:+yes} E=${EMPTY:+no} F=<${NONE:+no}>
ENV G=${NONE:-${SET}} H="${NONE:-a b}"
LABEL same=${SET} twice=$SET$SET quoted="${SET}" single='${SET}'
