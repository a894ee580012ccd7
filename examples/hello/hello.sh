#!/bin/sh
cat box.txt
echo "$GREETING, $1! I am $(id -un), and these are my words:"
cat all.txt
