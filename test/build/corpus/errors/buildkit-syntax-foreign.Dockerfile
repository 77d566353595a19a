# syntax=me/mine:1
FROM corpus:base
# expect: dockerfile parse error on line 1: unsupported frontend me/mine:1: expected docker/dockerfile
