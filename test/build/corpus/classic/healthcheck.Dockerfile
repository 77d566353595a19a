FROM corpus:base
HEALTHCHECK --interval=1m30s --timeout=500ms --start-period=1h --retries=4 CMD curl -f "$URL" || exit 1
