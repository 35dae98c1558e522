// Package ids makes the ids messages carry: UUIDs of version 7, which sort by the time they were made.
package ids

import (
	"strconv"

	"github.com/google/uuid"
)

// New returns a new id of 36 characters. It is safe for concurrent use and panics only when the system has no randomness.
func New() string { return uuid.Must(uuid.NewV7()).String() }

// Derive returns the nth id that follows from another id: a UUID of version 5, the same every time.
func Derive(from string, n int) string {
	return uuid.NewSHA1(uuid.NameSpaceOID, []byte(from+"/"+strconv.Itoa(n))).String()
}

// IsUUID reports whether an id is a UUID in its usual form.
func IsUUID(id string) bool { return len(id) == 36 && uuid.Validate(id) == nil }
