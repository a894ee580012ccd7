echo a>a; echo b>b; echo c>c; mkdir d d2; echo da>d/a; echo d2a>d2/a; chmod 600 d2/a; chmod 711 d; chmod 701 d2
