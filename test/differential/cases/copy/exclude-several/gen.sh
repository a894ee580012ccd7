mkdir -p d/sub/tmp d/tmp d/empty; for n in x.o y.o z.c sub/x.o sub/keep1 sub/keep2 sub/tmp/t tmp/t; do echo $n>d/$n; done; echo c > 'd/#c'
