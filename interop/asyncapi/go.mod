module github.com/carillon-go/carillon/interop/asyncapi

go 1.26.0

replace github.com/carillon-go/carillon => ../../

require (
	github.com/carillon-go/carillon v0.0.0
	github.com/santhosh-tekuri/jsonschema/v6 v6.0.3
)

require (
	github.com/bits-and-blooms/bitset v1.24.4 // indirect
	github.com/danielgtaylor/huma/v2 v2.39.0 // indirect
	github.com/failsafe-go/failsafe-go v0.9.8 // indirect
	github.com/go-json-experiment/json v0.0.0-20260820222146-c27c302e5fc3 // indirect
	github.com/google/uuid v1.6.0 // indirect
	golang.org/x/text v0.43.0 // indirect
)
