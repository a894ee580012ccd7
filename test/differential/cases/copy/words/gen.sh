echo 1 > f; echo 2 > f2; echo 3 > 'a b'
