package eventtest

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// text prints a value over several lines, much as Go would write it: with its types, with fields that are not exported, and with
// what pointers point to. Two values are the same when their texts are. Nil and empty slices and maps are one, and so are equal
// times in different zones, since a codec does not tell them apart.
func text(value any) string {
	p := &printer{path: make(map[visit]bool)}
	p.print(reflect.ValueOf(value), true)
	return p.out.String()
}

// same compares values.
func same(a, b any) bool { return text(a) == text(b) }

type printer struct {
	out    strings.Builder
	indent int
	path   map[visit]bool // pointers on the way down, for values that contain themselves
}

type visit struct {
	typ reflect.Type
	at  uintptr
}

func (p *printer) line(format string, args ...any) {
	p.out.WriteByte('\n')
	p.out.WriteString(strings.Repeat("  ", p.indent))
	fmt.Fprintf(&p.out, format, args...)
}

// print prints a value; named says that its type is not known from where it stands.
func (p *printer) print(v reflect.Value, named bool) {
	if !v.IsValid() {
		p.out.WriteString("nil")
		return
	}
	switch v.Kind() {
	case reflect.Interface:
		p.print(v.Elem(), true)
	case reflect.Pointer:
		p.pointer(v, named)
	case reflect.Struct:
		p.structure(v)
	case reflect.Map:
		p.mapping(v)
	case reflect.Slice, reflect.Array:
		p.list(v)
	case reflect.Func, reflect.Chan, reflect.UnsafePointer:
		fmt.Fprintf(&p.out, "%s(%v)", v.Type(), !v.IsNil())
	default:
		if named && v.Type() != reflect.TypeFor[string]() && v.Type() != reflect.TypeFor[bool]() {
			fmt.Fprintf(&p.out, "%s(%s)", v.Type(), plain(v))
			return
		}
		p.out.WriteString(plain(v))
	}
}

// plain is a value without parts.
func plain(v reflect.Value) string {
	switch v.Kind() {
	case reflect.String:
		return strconv.Quote(v.String())
	case reflect.Bool:
		return strconv.FormatBool(v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if v.Type() == reflect.TypeFor[time.Duration]() {
			return time.Duration(v.Int()).String()
		}
		return strconv.FormatInt(v.Int(), 10)
	case reflect.Float32, reflect.Float64:
		return strconv.FormatFloat(v.Float(), 'g', -1, 64)
	case reflect.Complex64, reflect.Complex128:
		return strconv.FormatComplex(v.Complex(), 'g', -1, 128)
	default:
		return strconv.FormatUint(v.Uint(), 10)
	}
}

func (p *printer) pointer(v reflect.Value, named bool) {
	if v.IsNil() {
		p.out.WriteString("nil")
		return
	}
	at := visit{v.Type(), v.Pointer()}
	if p.path[at] {
		p.out.WriteString("(itself)")
		return
	}
	p.path[at] = true
	p.out.WriteByte('&')
	p.print(v.Elem(), named)
	delete(p.path, at)
}

func (p *printer) structure(v reflect.Value) {
	if v.Type() == reflect.TypeFor[time.Time]() {
		p.time(v)
		return
	}
	fmt.Fprintf(&p.out, "%s{", v.Type())
	p.indent++
	for i := range v.NumField() {
		p.line("%s: ", v.Type().Field(i).Name)
		p.print(v.Field(i), false)
		p.out.WriteByte(',')
	}
	p.indent--
	if v.NumField() > 0 {
		p.line("")
	}
	p.out.WriteByte('}')
}

// time prints a time. One in a field that is not exported can be read in parts only.
func (p *printer) time(v reflect.Value) {
	if v.CanInterface() {
		p.out.WriteString(v.Interface().(time.Time).UTC().Format(time.RFC3339Nano))
		return
	}
	fmt.Fprintf(&p.out, "time.Time(%d, %d)", v.Field(0).Uint(), v.Field(1).Int())
}

func (p *printer) mapping(v reflect.Value) {
	entries := make([]string, 0, v.Len())
	for each := v.MapRange(); each.Next(); {
		inner := &printer{indent: p.indent + 1, path: p.path}
		inner.print(each.Key(), false)
		inner.out.WriteString(": ")
		inner.print(each.Value(), false)
		entries = append(entries, inner.out.String())
	}
	slices.Sort(entries)
	p.elements(v.Type(), entries)
}

func (p *printer) list(v reflect.Value) {
	if v.Type().Elem().Kind() == reflect.Uint8 && v.Kind() == reflect.Slice && utf8.Valid(v.Bytes()) {
		fmt.Fprintf(&p.out, "%s(%q)", v.Type(), v.Bytes())
		return
	}
	entries := make([]string, v.Len())
	for i := range entries {
		inner := &printer{indent: p.indent + 1, path: p.path}
		inner.print(v.Index(i), false)
		entries[i] = inner.out.String()
	}
	p.elements(v.Type(), entries)
}

func (p *printer) elements(typ reflect.Type, entries []string) {
	fmt.Fprintf(&p.out, "%s{", typ)
	p.indent++
	for _, entry := range entries {
		p.line("%s,", entry)
	}
	p.indent--
	if len(entries) > 0 {
		p.line("")
	}
	p.out.WriteByte('}')
}
