mkdir d; echo f>f; echo x>d/x; ln -s d l; ln -s d/x lf
