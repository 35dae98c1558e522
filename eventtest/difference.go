package eventtest

import (
	"fmt"
	"strings"

	"github.com/carillon-go/carillon"
)

// difference shows two values line by line: which lines are wanted (-), which are there instead (+), and those in common.
func difference(got, want any) string { return lines(text(want), text(got)) }

// eventsText prints events one after another.
func eventsText(events []carillon.Event) string {
	if len(events) == 0 {
		return "no events"
	}
	texts := make([]string, len(events))
	for i, event := range events {
		texts[i] = text(event)
	}
	return strings.Join(texts, "\n")
}

// lines shows two texts line by line.
func lines(want, got string) string {
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	var out strings.Builder
	out.WriteString("  (- want, + got)")
	i, j := 0, 0
	upTo := func(nextA, nextB int) {
		for ; i < nextA; i++ {
			fmt.Fprintf(&out, "\n  - %s", a[i])
		}
		for ; j < nextB; j++ {
			fmt.Fprintf(&out, "\n  + %s", b[j])
		}
	}
	for _, pair := range common(a, b) {
		upTo(pair[0], pair[1])
		fmt.Fprintf(&out, "\n    %s", a[i])
		i, j = i+1, j+1
	}
	upTo(len(a), len(b))
	return out.String()
}

// common pairs the lines of the longest common subsequence by their indexes.
func common(a, b []string) [][2]int {
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
	var pairs [][2]int
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case a[i] == b[j]:
			pairs = append(pairs, [2]int{i, j})
			i, j = i+1, j+1
		case length[i+1][j] >= length[i][j+1]:
			i++
		default:
			j++
		}
	}
	return pairs
}
