mkdir d; echo f>d/f; echo g>d/g; ln -s d l
