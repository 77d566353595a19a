FROM corpus:base
COPY modes /modes
COPY modes/private /private
COPY modes/sticky /sticky
COPY empty /empty
