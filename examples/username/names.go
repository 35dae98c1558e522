// Package username keeps user names unique: a name is claimed, released, or changed for another.
//
// The boundary of a claim is the name and the user: no event about either may come between the decision and its append.
//
// A stream alone cannot do it. With a stream for each user, a claim does not see the other users. With a stream for each name, a
// claim is safe, but a change of name reads and writes two streams, and nobody sees that the user has a third name. With one stream
// for all names, everybody waits for everybody. Tags draw the line where the rule is: two users conflict if they want the same name.
//
// Names that differ in case alone are the same name. A released name is free at once.
package username

import (
	"maps"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/sourcing"
)

// Names is what decisions need to know. A boundary holds all that happened to its name and to its user, and of other names only what
// that user did: ask for the command's own name and user, nothing else.
type Names struct {
	// Holder is the user who has a name, by name in lower case.
	Holder map[string]string
	// Name is the name of a user as spelled, by user.
	Name map[string]string
}

// Claimed evolves the names.
func (n Names) Claimed(e Claimed) Names {
	return Names{Holder: with(n.Holder, fold(e.Name), e.User), Name: with(n.Name, e.User, e.Name)}
}

// Released evolves the names.
func (n Names) Released(e Released) Names {
	return Names{Holder: without(n.Holder, fold(e.Name)), Name: without(n.Name, e.User)}
}

// DecideClaim decides whether a user may have a name.
func (n Names) DecideClaim(c Claim) ([]carillon.Event, error) {
	if name, named := n.Name[c.User]; named {
		return nil, carillon.Rejectf("user %s is called %s already", c.User, name)
	}
	if _, taken := n.Holder[fold(c.Name)]; taken {
		return nil, carillon.Rejectf("the name %s is taken", c.Name)
	}
	return carillon.Events(Claimed(c)), nil
}

// DecideRename decides whether a user may have another name instead. Another spelling of the same name is one.
func (n Names) DecideRename(c Rename) ([]carillon.Event, error) {
	before, named := n.Name[c.User]
	holder, taken := n.Holder[fold(c.Name)]
	switch {
	case !named:
		return nil, carillon.Rejectf("user %s has no name to change", c.User)
	case taken && holder != c.User:
		return nil, carillon.Rejectf("the name %s is taken", c.Name)
	case before == c.Name:
		return nil, nil
	default:
		return carillon.Events(Released{User: c.User, Name: before}, Claimed(c)), nil
	}
}

// DecideRelease frees the user's name, if there is one.
func (n Names) DecideRelease(c Release) ([]carillon.Event, error) {
	name, named := n.Name[c.User]
	if !named {
		return nil, nil
	}
	return carillon.Events(Released{User: c.User, Name: name}), nil
}

// Decider returns the decider, for an application or a test.
func Decider() *sourcing.Decider[Names] {
	return sourcing.Boundary("username",
		sourcing.On("username.claimed", Names.Claimed),
		sourcing.On("username.released", Names.Released),
		sourcing.Decide("username.claim", Claim.Tags, Names.DecideClaim),
		sourcing.Decide("username.rename", Rename.Tags, Names.DecideRename),
		sourcing.Decide("username.release", Release.Tags, Names.DecideRelease))
}

// with is a map with one value set, without is one with a value less. Folds change nothing they are given.
func with(m map[string]string, key, value string) map[string]string {
	larger := make(map[string]string, len(m)+1)
	maps.Copy(larger, m)
	larger[key] = value
	return larger
}

func without(m map[string]string, key string) map[string]string {
	smaller := maps.Clone(m)
	delete(smaller, key)
	return smaller
}
