package conformance

import (
	"errors"
	"fmt"
	"strings"

	"github.com/carillon-go/carillon"
)

// outcome is the kind of a verdict, in words.
type outcome string

const (
	accepted          outcome = "accepted"
	duplicate         outcome = "duplicate"
	reused            outcome = "command id reused"
	versionConflict   outcome = "stream version conflict"
	conditionConflict outcome = "condition conflict"
)

// outcomeOf gives a verdict's kind; the error is that of a verdict the port does not know.
func outcomeOf(verdict carillon.Verdict) (outcome, error) {
	conflict, isConflict := errors.AsType[*carillon.ConflictError](verdict.Err)
	switch {
	case verdict.Err == nil && verdict.Appended.Duplicate:
		return duplicate, nil
	case verdict.Err == nil:
		return accepted, nil
	case errors.Is(verdict.Err, carillon.ErrCommandReused):
		return reused, nil
	case isConflict && conflict.Guard == carillon.GuardVersion:
		return versionConflict, nil
	case isConflict && conflict.Guard == carillon.GuardCondition:
		return conditionConflict, nil
	case isConflict:
		return "", fmt.Errorf("a conflict of guard %q, which is none: %w", conflict.Guard, verdict.Err)
	default:
		return "", fmt.Errorf("a verdict's error is a *ConflictError or ErrCommandReused, not: %w", verdict.Err)
	}
}

// describe gives an append in a few words.
func describe(a *carillon.Append) string {
	var words []string
	if a.Stream != "" {
		words = append(words, fmt.Sprintf("stream %q, %s", a.Stream, a.Expect))
	}
	if a.Condition != nil {
		words = append(words, fmt.Sprintf("no %s after %d", describeQuery(a.Condition.Query), a.Condition.After))
	}
	if a.Command != nil {
		words = append(words, fmt.Sprintf("command %q with digest %x", a.Command.ID, a.Command.Digest))
	}
	noun := "events"
	if len(a.Events) == 1 {
		noun = "event"
	}
	first := &a.Events[0]
	words = append(words, fmt.Sprintf("%d %s, the first a %q tagged %v", len(a.Events), noun, first.Type, first.Tags))
	return clip(strings.Join(words, "; "))
}

// clip keeps a description readable.
func clip(text string) string {
	const longest = 400
	if len(text) <= longest {
		return text
	}
	return strings.ToValidUTF8(text[:longest], "") + "…"
}

func describeQuery(query carillon.Query) string {
	if len(query.Items) == 0 {
		return "event at all"
	}
	items := make([]string, len(query.Items))
	for i, item := range query.Items {
		items[i] = fmt.Sprintf("(any of types %v, all of tags %v)", item.Types, item.Tags)
	}
	return clip(strings.Join(items, " or "))
}
