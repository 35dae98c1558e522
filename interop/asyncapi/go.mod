module github.com/carillon-go/carillon/interop/asyncapi

go 1.26.0

replace github.com/carillon-go/carillon => ../../

require (
	github.com/carillon-go/carillon v0.0.0
	github.com/santhosh-tekuri/jsonschema/v6 v6.0.3
)

require (
	github.com/danielgtaylor/huma/v2 v2.39.0 // indirect
	github.com/google/uuid v1.6.0 // indirect
	golang.org/x/text v0.43.0 // indirect
)
