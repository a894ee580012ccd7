echo a>'b\h'; echo n>$'n\nl'; echo u > 'ünï→'; echo t > $'t\tb'
