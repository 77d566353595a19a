# nothing
# expect: failed to parse Dockerfile: file with no instructions
