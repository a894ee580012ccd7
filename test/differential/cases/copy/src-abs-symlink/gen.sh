mkdir -p d; echo x>d/x; ln -s /d/x l1; ln -s /d l2; ln -s /d l3; ln -s ../../../d l4
