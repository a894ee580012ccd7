mkdir d; echo f>d/f
