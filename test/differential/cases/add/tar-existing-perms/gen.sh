mkdir d; echo x>d/f; chmod 750 d; echo s > s; tar --format=gnu -cf t.tar d s
