mkdir -p d1/s d2/s d3; echo 1>d1/f; echo 2>d2/f; echo a>d1/s/a; echo b>d2/s/b; echo f>d3/f; chmod 700 d2 d2/s
