package conformance

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/carillon-go/carillon"
)

func rowChecks() []check {
	return []check{
		{"row order", checkRowOrder},
		{"row values", checkRowValues},
		{"models", checkModels},
	}
}

// oddKeys are what streams and users may be called, and worse; none is empty.
func oddKeys() []string {
	return []string{
		"a", "A", "b", "B", "aa", "a b", " a", "a ", "10", "9", "é", "e\u0301", "ß", "ss", "日本", "🔔", "'", `"`, "%", "_", `\`, "$1", "?", ";--",
		"\x00", "a\x00", "a\x00b", "\xff", "a\xff", "\xff\xff", "\t", "\n", "null", "a/b", "a-b", strings.Repeat("k", 255),
		strings.Repeat("k", 254) + "l", strings.Repeat("long ", 200), strings.Repeat("long ", 200) + "\xff",
	}
}

// checkRowOrder pages through rows of all kinds of keys: they are in order of their bytes.
func checkRowOrder(ctx context.Context, s *subject) error {
	keys := oddKeys()
	s.random.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	rows := make([]carillon.Row, len(keys))
	for i, key := range keys {
		rows[i] = row(key, "value of "+key, int64(i))
	}
	if err := s.put(ctx, model(), 1, rows...); err != nil {
		return err
	}
	if err := s.holds(ctx, model(), 1, rows...); err != nil {
		return err
	}
	for _, after := range []string{"", "a", "a\x00", "aaa", "B", "\xff\xff", "\xff\xff\xff", "é", "%"} {
		following := int64(0)
		for _, key := range keys {
			if key > after {
				following++
			}
		}
		got, err := s.store.ReadModels().Rows(ctx, model(), after, len(keys))
		if err != nil || int64(len(got)) != following {
			return fmt.Errorf("%d rows after %q, error %w, want %d", len(got), after, errOrNil(err), following)
		}
	}
	if err := s.missing(ctx, model(), "AA", "a\x00\x00", "日", "ﬀ", "k", strings.Repeat("k", 253)); err != nil {
		return err
	}
	// Keys that look alike are deleted one at a time.
	if err := s.put(ctx, model(), 2, carillon.Row{Key: "a\x00"}, carillon.Row{Key: "A"}, carillon.Row{Key: "e\u0301"}, carillon.Row{Key: "%"}); err != nil {
		return err
	}
	var left []carillon.Row
	for _, row := range rows {
		if row.Key != "a\x00" && row.Key != "A" && row.Key != "e\u0301" && row.Key != "%" {
			left = append(left, row)
		}
	}
	return s.holds(ctx, model(), 2, left...)
}

// checkRowValues writes values and versions of all kinds.
func checkRowValues(ctx context.Context, s *subject) error {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	large := make([]byte, 1<<20)
	for i := range large {
		large[i] = byte(s.random.Uint32())
	}
	rows := []carillon.Row{
		{Key: "every byte", Value: every, Version: 1},
		{Key: "large", Value: large, Version: math.MaxInt64},
		{Key: "nothing", Value: []byte{}, Version: 0},
		{Key: "zero", Value: []byte{0}, Version: 1 << 40},
		{Key: "text", Value: []byte(`{"a":"ü"}`), Version: 2},
	}
	const far = carillon.Position(math.MaxInt64 - 1)
	if err := s.put(ctx, model(), far, rows...); err != nil {
		return err
	}
	if err := s.holds(ctx, model(), far, rows...); err != nil {
		return err
	}
	return s.update(ctx, model(), func(tx carillon.ReadModelTx) error {
		return sees(tx, far, rows, "every byte", "large", "nothing", "zero", "text")
	})
}

// checkModels lists models: live ones, shadows of live ones and of none, models without rows.
func checkModels(ctx context.Context, s *subject) error {
	shadow := func(name string) carillon.ModelRef { return carillon.ModelRef{Name: name, Shadow: true} }
	err := errors.Join(
		s.put(ctx, carillon.ModelRef{Name: "b"}, 4, row("a", "1", 1), row("b", "1", 1)),
		s.put(ctx, carillon.ModelRef{Name: "B"}, 1),
		s.put(ctx, carillon.ModelRef{Name: "a b"}, 5, row("a", "1", 1)),
		s.put(ctx, shadow("b"), 2, row("a", "1", 1), row("b", "1", 1), row("c", "1", 1)),
		s.put(ctx, shadow("c"), 0),
		s.put(ctx, shadow("é"), 3, row("a", "1", 1)),
	)
	if err != nil {
		return err
	}
	want := []carillon.ModelInfo{
		{Name: "B", Checkpoint: 1, Shadow: -1},
		{Name: "a b", Checkpoint: 5, Rows: 1, Shadow: -1},
		{Name: "b", Checkpoint: 4, Rows: 2, Shadow: 2},
		{Name: "c", Shadow: 0},
		{Name: "é", Shadow: 3},
	}
	if err := s.lists(ctx, want...); err != nil {
		return err
	}
	if err := s.put(ctx, carillon.ModelRef{Name: "b"}, 6, carillon.Row{Key: "a"}); err != nil {
		return err
	}
	want[2].Checkpoint, want[2].Rows = 6, 1
	return s.lists(ctx, want...)
}
