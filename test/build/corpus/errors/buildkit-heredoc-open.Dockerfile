FROM corpus:base
RUN <<EOF
echo x
# expect: dockerfile parse error on line 2: unterminated heredoc
