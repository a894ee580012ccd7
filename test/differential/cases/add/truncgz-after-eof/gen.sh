echo d>d; tar --format=gnu --mtime=@1 --sort=name -cf t.tar d; gzip -n < t.tar > f.gz; head -c -6 f.gz > e.gz
