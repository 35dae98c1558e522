module github.com/carillon-go/carillon

go 1.26.0
