module higgins.invalid/compat/golang

go 1.21
