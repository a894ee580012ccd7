mkdir d; echo x > d/x; chmod 000 d/x; mkdir d/e; chmod 000 d/e
