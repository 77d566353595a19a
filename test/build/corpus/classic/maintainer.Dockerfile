FROM corpus:base
MAINTAINER Some One  <some@one>
