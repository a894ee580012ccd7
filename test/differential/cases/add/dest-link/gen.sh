mkdir d; echo x>d/f; tar --format=gnu -cf t.tar d
