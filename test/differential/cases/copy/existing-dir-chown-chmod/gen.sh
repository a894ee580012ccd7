mkdir -p d/e d/f; echo>d/e/x
