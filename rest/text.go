package rest

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"time"
	"unicode/utf8"
)

// textual reports whether a value of a type can be read from a parameter.
func textual(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if readsText(t) {
		return true
	}
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Float32, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return true
	default:
		return false
	}
}

func readsText(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// readText fills a value from a parameter's text and returns what a schema can check: nil for nothing.
func readText(to reflect.Value, text string) (checked any, err error) {
	if !utf8.ValidString(text) {
		return nil, fmt.Errorf("it is not UTF-8")
	}
	if to.Kind() == reflect.Pointer {
		to.Set(reflect.New(to.Type().Elem()))
		to = to.Elem()
	}
	if to.Type() == reflect.TypeFor[time.Time]() {
		return nil, readTime(to, text)
	}
	if readsText(to.Type()) {
		return text, to.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text))
	}
	bits := func() int { return to.Type().Bits() }
	switch to.Kind() {
	case reflect.String:
		to.SetString(text)
		return text, nil
	case reflect.Bool:
		if text != "true" && text != "false" {
			return nil, fmt.Errorf("%q is neither true nor false", text)
		}
		to.SetBool(text == "true")
		return text == "true", nil
	case reflect.Float32, reflect.Float64:
		number, err := strconv.ParseFloat(text, bits())
		if err != nil {
			return nil, fmt.Errorf("%q is no number", text)
		}
		to.SetFloat(number)
		return number, nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		number, err := strconv.ParseUint(text, 10, bits())
		if err != nil {
			return nil, fmt.Errorf("%q is no whole number from 0 up of %d bits", text, bits())
		}
		to.SetUint(number)
		return number, nil
	default:
		number, err := strconv.ParseInt(text, 10, bits())
		if err != nil {
			return nil, fmt.Errorf("%q is no whole number of %d bits", text, bits())
		}
		to.SetInt(number)
		return number, nil
	}
}

// readTime reads a moment of RFC 3339, or a day, which means its start in UTC.
func readTime(to reflect.Value, text string) error {
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			to.Set(reflect.ValueOf(at))
			return nil
		}
	}
	return fmt.Errorf("%q is neither a time such as 2026-01-31T12:00:00Z nor a day such as 2026-01-31", text)
}
