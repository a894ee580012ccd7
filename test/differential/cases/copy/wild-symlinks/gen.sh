mkdir d; echo f>d/f; ln -s d ld; ln -s d/f lf; ln -s ../d d/up
