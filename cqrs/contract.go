package cqrs

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/carillon-go/carillon"
)

// Contract is what a service accepts, by stable name and by Go type. It does not change once it is made.
type Contract struct {
	endpoints []carillon.Endpoint
	byType    map[reflect.Type]int
	byName    map[string]int
}

// NewContract collects endpoints. Two of one name, two for one Go type, and a type whose Validate method would not be called, are an
// [carillon.InvalidError].
func NewContract(endpoints ...carillon.Endpoint) (*Contract, error) {
	c := &Contract{byType: make(map[reflect.Type]int), byName: make(map[string]int)}
	for _, endpoint := range endpoints {
		if err := carillon.CheckType(endpoint.Type); err != nil {
			return nil, err
		}
		if _, taken := c.byName[endpoint.Type]; taken {
			return nil, carillon.Invalidf(fmt.Sprintf("%s %q", endpoint.Kind, endpoint.Type), "it has exactly one handler, this is a second one")
		}
		if first, taken := c.byType[endpoint.Request]; taken {
			return nil, carillon.Invalidf(fmt.Sprintf("%s %q", endpoint.Kind, endpoint.Type),
				"its Go type %s is that of %q already", endpoint.Request, c.endpoints[first].Type)
		}
		if validated := reflect.TypeFor[Validator](); endpoint.Request != nil && !endpoint.Request.Implements(validated) &&
			reflect.PointerTo(endpoint.Request).Implements(validated) {
			return nil, carillon.Invalidf(fmt.Sprintf("%s %q", endpoint.Kind, endpoint.Type),
				"method Validate of %s has a pointer receiver, so values are not validated: give it a value receiver", endpoint.Request)
		}
		c.byName[endpoint.Type] = len(c.endpoints)
		c.byType[endpoint.Request] = len(c.endpoints)
		c.endpoints = append(c.endpoints, endpoint)
	}
	return c, nil
}

// Endpoints lists the contract in the order of registration.
func (c *Contract) Endpoints() []carillon.Endpoint { return slices.Clone(c.endpoints) }

// Of finds the endpoint for requests of a Go type, or [carillon.ErrUnknownType].
func (c *Contract) Of(request reflect.Type) (carillon.Endpoint, error) {
	i, ok := c.byType[request]
	if !ok {
		return carillon.Endpoint{}, fmt.Errorf("nothing handles %s, register it with the application: %w", request, carillon.ErrUnknownType)
	}
	return c.endpoints[i], nil
}

// Named finds the endpoint of a name, or [carillon.ErrUnknownType].
func (c *Contract) Named(name string) (carillon.Endpoint, error) {
	i, ok := c.byName[name]
	if !ok {
		return carillon.Endpoint{}, fmt.Errorf("nothing handles %q: %w", name, carillon.ErrUnknownType)
	}
	return c.endpoints[i], nil
}
