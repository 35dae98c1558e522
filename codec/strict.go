package codec

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/carillon-go/carillon"
)

// maxDepth is how deep objects and arrays may nest in a request.
const maxDepth = 100

// MalformedError says why a request is not one JSON document, as opposed to a document with the wrong content.
type MalformedError struct {
	// Offset is about how many bytes were read before.
	Offset int64
	Reason string
}

func (e *MalformedError) Error() string {
	return fmt.Sprintf("malformed JSON near byte %d: %s", e.Offset, e.Reason)
}

// Is makes it an [carillon.ErrInvalid].
func (e *MalformedError) Is(target error) bool { return target == carillon.ErrInvalid }

// DecodeStrict decodes a request from outside. Every error wraps [carillon.ErrInvalid]. It is a [*MalformedError] for bad
// syntax, text that is not UTF-8, keys that stand twice in an object, data behind the document and nesting deeper than 100, and
// a [*carillon.InvalidError] for unknown fields, fields named in another case, and values of the wrong type. encoding/json alone
// lets half of these pass.
func DecodeStrict(data []byte, target any) error {
	if !utf8.Valid(data) {
		return &MalformedError{Reason: "it is not UTF-8"}
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	checked := document{decoder: decoder}
	if err := checked.check(reflect.TypeOf(target)); err != nil {
		return err
	}
	decoder = json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(target); err != nil {
		return invalid(err, reflect.TypeOf(target))
	}
	return nil
}

func invalid(err error, target reflect.Type) error {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		if wrong.Field == "" {
			return carillon.Invalidf("body", "it cannot be a JSON %s", wrong.Value)
		}
		return carillon.Invalidf("field "+keysOf(target, wrong.Field), "it cannot be a JSON %s", wrong.Value)
	}
	return carillon.Invalidf("body", "%s", strings.TrimPrefix(err.Error(), "json: "))
}

// keysOf is the path of a field without the embedded structs on the way, which its sender does not see.
func keysOf(target reflect.Type, path string) string {
	var keys []string
	for name := range strings.SplitSeq(path, ".") {
		for target != nil && slices.Contains([]reflect.Kind{reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map}, target.Kind()) {
			target = target.Elem()
		}
		if target != nil && target.Kind() == reflect.Struct {
			if f, ok := target.FieldByName(name); ok && promoted(f) {
				target = f.Type
				continue
			}
		}
		keys, target = append(keys, name), members(target)[name]
	}
	return strings.Join(keys, ".")
}

// document is one walk over the tokens of a request, for what the decoder would let pass.
type document struct {
	decoder *json.Decoder
	path    []string
}

// check walks the one value a request holds; target is the type it is for.
func (d *document) check(target reflect.Type) error {
	if err := d.value(0, target); err != nil {
		return err
	}
	if _, err := d.decoder.Token(); !errors.Is(err, io.EOF) {
		return d.malformed("there is data behind the JSON value")
	}
	return nil
}

func (d *document) malformed(format string, args ...any) error {
	return &MalformedError{Offset: d.decoder.InputOffset(), Reason: fmt.Sprintf(format, args...)}
}

func (d *document) token() (json.Token, error) {
	token, err := d.decoder.Token()
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, d.malformed("it ends too early")
	case err != nil:
		return nil, d.malformed("%s", err)
	}
	return token, nil
}

func (d *document) value(depth int, target reflect.Type) error {
	token, err := d.token()
	if err != nil {
		return err
	}
	delimiter, ok := token.(json.Delim)
	if !ok {
		return nil
	}
	if depth == maxDepth {
		return d.malformed("it nests deeper than %d", maxDepth)
	}
	if delimiter == '{' {
		err = d.object(depth, plain(target))
	} else {
		err = d.array(depth, plain(target))
	}
	if err != nil {
		return err
	}
	_, err = d.token() // the closing delimiter
	return err
}

func (d *document) array(depth int, target reflect.Type) error {
	var item reflect.Type
	if target != nil && (target.Kind() == reflect.Slice || target.Kind() == reflect.Array) {
		item = target.Elem()
	}
	for d.decoder.More() {
		if err := d.value(depth+1, item); err != nil {
			return err
		}
	}
	return nil
}

func (d *document) object(depth int, target reflect.Type) error {
	fields := members(target)
	seen := make(map[string]bool)
	for d.decoder.More() {
		token, err := d.token()
		if err != nil {
			return err
		}
		key, _ := token.(string)
		if seen[key] {
			return d.malformed("key %q stands twice in one object", key)
		}
		seen[key] = true
		d.path = append(d.path, key)
		member, known := fields[key]
		switch {
		case fields != nil && !known:
			return carillon.Invalidf("field "+strings.Join(d.path, "."), "there is no such field")
		case target != nil && target.Kind() == reflect.Map:
			member = target.Elem()
		}
		if err := d.value(depth+1, member); err != nil {
			return err
		}
		d.path = d.path[:len(d.path)-1]
	}
	return nil
}

// members gives the types of a struct's fields by key, nil for what is not a struct.
func members(target reflect.Type) map[string]reflect.Type {
	if target == nil || target.Kind() != reflect.Struct {
		return nil
	}
	types := make(map[string]reflect.Type)
	for _, field := range Fields(target) {
		if _, taken := types[field.Key]; !taken {
			types[field.Key] = field.Type
		}
	}
	return types
}

// plain is the type behind pointers, nil for types that decode themselves.
func plain(t reflect.Type) reflect.Type {
	if t == nil {
		return nil
	}
	t = element(t)
	pointer := reflect.PointerTo(t)
	if pointer.Implements(reflect.TypeFor[json.Unmarshaler]()) || pointer.Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return nil
	}
	return t
}
