package eventtest

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/codec"
)

// roundTrip passes an event through the codec, as a log would.
func roundTrip(event carillon.Event) (carillon.Event, error) {
	payload, err := codec.JSON().Encode(event)
	if err != nil {
		return nil, err
	}
	stored := reflect.New(reflect.TypeOf(event))
	if err := codec.JSON().Decode(payload, stored.Interface()); err != nil {
		return nil, err
	}
	return stored.Elem().Interface(), nil
}

// same compares values; empty and nil slices and maps count as equal.
func same(got, want any) bool {
	g, w := reflect.ValueOf(got), reflect.ValueOf(want)
	if g.IsValid() && w.IsValid() && (g.Kind() == reflect.Slice || g.Kind() == reflect.Map) && g.Len() == 0 {
		return w.Len() == 0
	}
	return reflect.DeepEqual(got, want)
}

// snapshot is a value as text, which later changes of the value do not change.
func snapshot(value any) string {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return fmt.Sprintf("%+v", value)
	}
	return string(text) + fmt.Sprintf("\n%+v", value)
}

// difference shows two values line by line.
func difference(got, want any) string { return differentText(shown(want), shown(got)) }

// shown is a value as lines, with the type of each element of a list, so that events of one shape can be told apart.
func shown(value any) string {
	events, ok := value.([]carillon.Event)
	if !ok {
		return indented(value)
	}
	var lines []string
	for _, event := range events {
		lines = append(lines, fmt.Sprintf("%T %s", event, indented(event)))
	}
	return strings.Join(lines, "\n")
}

func indented(value any) string {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return fmt.Sprintf("%+v", value)
	}
	return string(text)
}

// differentText shows which lines are wanted (-) and which are there instead (+), with those in common around them.
func differentText(want, got string) string {
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	common := longestCommon(a, b)
	var out strings.Builder
	out.WriteString("  - want, + got\n")
	i, j := 0, 0
	for _, line := range append(common, "\x00") {
		for ; i < len(a) && a[i] != line; i++ {
			fmt.Fprintf(&out, "  - %s\n", a[i])
		}
		for ; j < len(b) && b[j] != line; j++ {
			fmt.Fprintf(&out, "  + %s\n", b[j])
		}
		if line != "\x00" {
			fmt.Fprintf(&out, "    %s\n", line)
			i, j = i+1, j+1
		}
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// longestCommon is the longest common subsequence of lines.
func longestCommon(a, b []string) []string {
	length := make([][]int, len(a)+1)
	for i := range length {
		length[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				length[i][j] = length[i+1][j+1] + 1
			} else {
				length[i][j] = max(length[i+1][j], length[i][j+1])
			}
		}
	}
	var common []string
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case a[i] == b[j]:
			common = append(common, a[i])
			i, j = i+1, j+1
		case length[i+1][j] >= length[i][j+1]:
			i++
		default:
			j++
		}
	}
	return common
}

// noSnapshots stands where a decider with snapshots wants a store.
type noSnapshots struct{}

func (noSnapshots) LoadSnapshot(context.Context, string) (carillon.Snapshot, error) {
	return carillon.Snapshot{}, carillon.ErrNotFound
}

func (noSnapshots) SaveSnapshot(context.Context, carillon.Snapshot) error { return nil }
