mkdir -p d tmp; echo f>f; echo x>d/x
