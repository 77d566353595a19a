FROM corpus:base
CMD ["a", 1]
# expect: when using JSON array syntax, arrays must be comprised of strings only
