// Package ids makes the ids messages carry: UUIDs of version 7, which sort by the time they were made.
package ids

import "github.com/google/uuid"

// New returns a new id of 36 characters. It is safe for concurrent use and panics only when the system has no randomness.
func New() string { return uuid.Must(uuid.NewV7()).String() }
