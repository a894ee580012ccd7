echo 3 > 'a b'
