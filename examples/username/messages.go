package username

import (
	"fmt"
	"strings"

	"github.com/carillon-go/carillon"
)

// The limits of a name.
const (
	minName = 2
	maxName = 32
)

// The commands. They name users by an id of yours.
type (
	// Claim gives a user without a name this one.
	Claim struct{ User, Name string }
	// Rename gives a user this name and frees the one before.
	Rename struct{ User, Name string }
	// Release frees a user's name.
	Release struct{ User string }
)

// The events. Both belong to the boundary of the user and to that of the name.
type (
	// Claimed says that a user has a name now.
	Claimed struct {
		User string `json:"user"`
		// Name is spelled as the user spelled it.
		Name string `json:"name"`
	}
	// Released says that a user no longer has a name.
	Released struct {
		User string `json:"user"`
		Name string `json:"name"`
	}
)

// Tags draws the command's boundary: who has the name, and what the user is called.
func (c Claim) Tags() []carillon.Tag { return both(c.User, c.Name) }

// Tags draws the command's boundary. The name before is not in it by its own tag: its events carry the user's.
func (c Rename) Tags() []carillon.Tag { return both(c.User, c.Name) }

// Tags draws the command's boundary: what the user is called is all it needs to know.
func (c Release) Tags() []carillon.Tag { return []carillon.Tag{carillon.NewTag("user", c.User)} }

// Tags names the boundaries that the event belongs to.
func (e Claimed) Tags() []carillon.Tag { return both(e.User, e.Name) }

// Tags names the boundaries that the event belongs to.
func (e Released) Tags() []carillon.Tag { return both(e.User, e.Name) }

// Validate checks the name.
func (c Claim) Validate() error { return check(c.Name) }

// Validate checks the name.
func (c Rename) Validate() error { return check(c.Name) }

func both(user, name string) []carillon.Tag {
	return []carillon.Tag{carillon.NewTag("user", user), carillon.NewTag("name", fold(name))}
}

// fold makes names equal that differ in case alone.
func fold(name string) string { return strings.ToLower(name) }

// check wants ASCII, where letters that look alike are alike.
func check(name string) error {
	if len(name) < minName || len(name) > maxName {
		return fmt.Errorf("name: it has %d to %d characters", minName, maxName)
	}
	for _, r := range fold(name) {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '.' && r != '-' {
			return fmt.Errorf("name: it holds letters a to z, digits, dots and hyphens, not %q", r)
		}
	}
	return nil
}
