mkdir -p d/s; echo x>d/f; chmod 7641 d/f; echo x>d/g; chmod 0250 d/g; chmod 3741 d/s; echo n > d/h; chmod 600 d/h; chmod 1640 d
