printf '\357\273\277a\r\nb \r\n!c\r\n' > .dockerignore; echo a>a; echo b>b; echo c>c
