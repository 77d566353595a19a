FROM corpus:base
# expect: failed to reach build target nope in Dockerfile
