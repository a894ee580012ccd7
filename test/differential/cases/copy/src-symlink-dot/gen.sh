mkdir -p a/b/s; echo f>f; echo af>a/f; echo y>a/b/y; ln -s a/b l
