echo f>f
