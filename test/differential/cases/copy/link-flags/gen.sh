mkdir d; echo f>f; echo a>a; echo b>b; echo x>d/x
