echo 1 > 'f$x'
