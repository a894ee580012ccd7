mkdir -p dir/sub/deep dir/e; for n in dir/a dir/b dir/sub/x dir/sub/no dir/sub/deep/y; do echo 1>$n; done; chmod 700 dir
