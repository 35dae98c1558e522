// Package shapes tells Go types apart by their structure, and makes sample values of them, so that it can be noticed when what folds
// events has changed.
package shapes

import (
	"fmt"
	"reflect"
	"slices"
)

// maxShape bounds the depth of sample values and shapes, for types that refer to themselves.
const maxShape = 6

// Sample makes a value of a type with something in every exported field; n varies it, and the same n gives the same value.
func Sample(typ reflect.Type, n int) reflect.Value { return sample(typ, n, 0) }

func sample(typ reflect.Type, n, depth int) reflect.Value {
	value := reflect.New(typ).Elem()
	if depth > maxShape {
		return value
	}
	switch typ.Kind() {
	case reflect.Bool:
		value.SetBool(n%2 == 0)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		value.SetInt(int64(n*7 + depth + 1))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		value.SetUint(uint64(n*5 + depth + 1))
	case reflect.Float32, reflect.Float64:
		value.SetFloat(float64(n) + 0.5)
	case reflect.String:
		value.SetString(fmt.Sprintf("sample-%d", n))
	case reflect.Slice:
		value = reflect.Append(value, sample(typ.Elem(), n, depth+1))
	case reflect.Array:
		for i := range value.Len() {
			value.Index(i).Set(sample(typ.Elem(), n+i, depth+1))
		}
	case reflect.Map:
		value = reflect.MakeMap(typ)
		value.SetMapIndex(sample(typ.Key(), n, depth+1), sample(typ.Elem(), n, depth+1))
	case reflect.Pointer:
		value = reflect.New(typ.Elem())
		value.Elem().Set(sample(typ.Elem(), n, depth+1))
	case reflect.Struct:
		for i := range typ.NumField() {
			if typ.Field(i).IsExported() {
				value.Field(i).Set(sample(typ.Field(i).Type, n+i, depth+1))
			}
		}
	default: // nothing to make of functions, channels and interfaces
	}
	return value
}

// Of describes a type by its structure and field names.
func Of(typ reflect.Type) string { return shape(typ, nil) }

func shape(typ reflect.Type, path []reflect.Type) string {
	if slices.Contains(path, typ) || len(path) > 4*maxShape {
		return typ.String()
	}
	path = append(slices.Clip(path), typ)
	switch typ.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return fmt.Sprintf("%s(%s)", typ.Kind(), shape(typ.Elem(), path))
	case reflect.Map:
		return fmt.Sprintf("map(%s,%s)", shape(typ.Key(), path), shape(typ.Elem(), path))
	case reflect.Struct:
		text := "struct{"
		for i := range typ.NumField() {
			field := typ.Field(i)
			text += fmt.Sprintf("%s %q %s;", field.Name, field.Tag, shape(field.Type, path))
		}
		return text + "}"
	default:
		return typ.Kind().String()
	}
}
