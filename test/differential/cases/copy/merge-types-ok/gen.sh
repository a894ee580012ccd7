mkdir -p src/a src/c; echo f>src/a/f; echo g>src/g; echo p>src/p; ln -s x src/e; echo h>src/h; chmod 700 src/a; mkfifo src/l1; echo n > src/n
