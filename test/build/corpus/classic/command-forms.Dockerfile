FROM corpus:base
CMD ["a", "b c", "$HOME"]
CMD echo "$HOME" | cat
