mkdir -p a/k/x b/c q/r; for n in a/k/x/1 b/c/k b/c/2 q/r/3 k; do [ -d $n ] || echo 1>$n; done
