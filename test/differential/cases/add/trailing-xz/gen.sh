echo d>d; tar --format=gnu --mtime=@1 --sort=name -cf t.tar d; (xz < t.tar; echo garbage) > e.xz
