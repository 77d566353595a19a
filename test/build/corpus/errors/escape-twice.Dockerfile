# escape=`
# escape=`
FROM corpus:base
# expect: only one escape parser directive can be used
