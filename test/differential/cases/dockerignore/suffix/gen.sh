for n in xfoo a/yfoo foo/z bar1 a/bar2 bar/x baz/1 a/baz/2 q/1 q/r/2 w/1 a/b/w; do mkdir -p $(dirname $n); echo 1 > $n; done
