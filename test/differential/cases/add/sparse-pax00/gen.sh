printf hello > sp; truncate -s 1M sp; printf x >> sp; echo after > z; tar --format=pax --sparse-version=0.0 -S -cf s2.tar sp z; rm sp z
