mkdir d; echo f>f; echo x>d/x; chmod 4751 f; chmod 700 d; ln -s d l
