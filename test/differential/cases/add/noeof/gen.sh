echo d>d; tar --format=gnu -cf t0.tar d; head -c 1024 t0.tar > t.tar
