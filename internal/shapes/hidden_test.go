package shapes_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/carillon-go/carillon/internal/shapes"
)

type (
	plain struct {
		Name string
		At   time.Time
		Next *plain
		Of   map[string][]int
		_    int
		none struct{}
		Any  any
	}
	secret struct {
		Shown int
		kept  int
	}
	passed struct {
		Kept int `json:"-"`
	}
	base        struct{ Shown int }
	within      struct{ base }
	withinWrong struct{ *base }
	deep        struct{ All map[string][]*secret }
	keyed       struct{ All map[secret]bool }
)

func TestHidden(t *testing.T) {
	t.Parallel()
	_, _ = plain{}.none, secret{}.kept
	for _, test := range []struct {
		typ   reflect.Type
		owner reflect.Type
		field string
	}{
		{reflect.TypeFor[plain](), nil, ""},
		{reflect.TypeFor[int](), nil, ""},
		{reflect.TypeFor[time.Time](), nil, ""},
		{reflect.TypeFor[secret](), reflect.TypeFor[secret](), "kept"},
		{reflect.TypeFor[passed](), reflect.TypeFor[passed](), "Kept"},
		{reflect.TypeFor[within](), nil, ""},
		{reflect.TypeFor[withinWrong](), reflect.TypeFor[withinWrong](), "base"},
		{reflect.TypeFor[deep](), reflect.TypeFor[secret](), "kept"},
		{reflect.TypeFor[keyed](), reflect.TypeFor[secret](), "kept"},
	} {
		t.Run(test.typ.String(), func(t *testing.T) {
			t.Parallel()
			if owner, field, found := shapes.Hidden(test.typ); owner != test.owner || field != test.field || found != (test.owner != nil) {
				t.Errorf("%v.%s, %v, want %v.%s", owner, field, found, test.owner, test.field)
			}
		})
	}
}

func TestHiddenPassesOverWhatIsEmpty(t *testing.T) {
	t.Parallel()
	if owner, field, found := shapes.Hidden(reflect.TypeFor[deep](), reflect.TypeFor[secret]()); found {
		t.Errorf("%v.%s", owner, field)
	}
}
