FROM corpus:base
LABEL a="b
# expect: failed to process "\"b": unexpected end of statement while looking for matching double-quote
