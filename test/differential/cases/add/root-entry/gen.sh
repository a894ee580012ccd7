mkdir d; echo x>d/f; chmod 1777 d; chown 3:4 d/f; tar --format=gnu -C d -cf t.tar .
