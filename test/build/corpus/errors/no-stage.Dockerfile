RUN x
# expect: no build stage in current context
