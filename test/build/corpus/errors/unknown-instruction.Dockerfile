FROM corpus:base

FROB x
# expect: unknown instruction: FROB
