// Package optin confirms a subscription with a token: it confirms once, until it expires or is replaced by a later one.
//
// The boundary of a confirmation is the token; that of a request is the subscriber and the token. An event that replaces a token
// carries the tags of both, so that it falls into the boundary of the one it replaces: a confirmation and a request that cross see
// each other, and one of them decides again.
//
// A stream alone cannot do it. A link holds the token and not the subscriber, a request knows the subscriber and not the token
// before. With a stream for each token, a request writes two; with a stream for each subscriber, the token has to be looked up in a
// read model first, which may be behind, so that a token is not known yet.
//
// Time is that of the command, see [sourcing.Moment]: a command decided again after a conflict does not expire meanwhile. A bus sets
// it; whoever hands over a message without one, has it confirm at the beginning of time, when no token has expired.
package optin

import (
	"maps"
	"time"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/sourcing"
)

// Lifetime is how long a token confirms.
const Lifetime = 24 * time.Hour

// Tokens is what decisions need to know. A boundary holds all that happened to its token and, where it is drawn by one, to its
// subscriber: ask for the command's own token and subscriber, nothing else.
type Tokens struct {
	// ByDigest holds the tokens given out.
	ByDigest map[string]Token
	// Subscribers holds who was asked, and by which token last.
	Subscribers map[string]Subscriber
}

// Token is a token that was given out.
type Token struct {
	Subscriber     string
	Expires        time.Time
	Used, Replaced bool
}

// Subscriber is somebody who was asked to confirm.
type Subscriber struct {
	// Digest is that of the last token.
	Digest    string
	Confirmed bool
}

// Requested evolves the tokens.
func (t Tokens) Requested(e Requested) Tokens {
	t.ByDigest = with(t.ByDigest, e.Digest, Token{Subscriber: e.Subscriber, Expires: e.Expires})
	if before, known := t.ByDigest[e.Replaces]; known {
		before.Replaced = true
		t.ByDigest = with(t.ByDigest, e.Replaces, before)
	}
	t.Subscribers = with(t.Subscribers, e.Subscriber, Subscriber{Digest: e.Digest})
	return t
}

// Confirmed evolves the tokens.
func (t Tokens) Confirmed(e Confirmed) Tokens {
	token := t.ByDigest[e.Digest]
	token.Used = true
	t.ByDigest = with(t.ByDigest, e.Digest, token)
	t.Subscribers = with(t.Subscribers, e.Subscriber, Subscriber{Digest: e.Digest, Confirmed: true})
	return t
}

// DecideRequest decides whether a subscriber may be asked.
func (t Tokens) DecideRequest(m sourcing.Moment, c Request) ([]carillon.Event, error) {
	subscriber := t.Subscribers[c.Subscriber]
	digest := Digest(c.Token)
	if subscriber.Confirmed {
		return nil, carillon.Rejectf("subscriber %s has confirmed already", c.Subscriber)
	}
	if _, known := t.ByDigest[digest]; known {
		return nil, carillon.Rejectf("the token was given out before")
	}
	return carillon.Events(Requested{
		Subscriber: c.Subscriber, Digest: digest, Replaces: subscriber.Digest, Expires: m.Now.Add(Lifetime),
	}), nil
}

// DecideConfirm decides whether a token confirms.
func (t Tokens) DecideConfirm(m sourcing.Moment, c Confirm) ([]carillon.Event, error) {
	digest := Digest(c.Token)
	token, known := t.ByDigest[digest]
	switch {
	case !known:
		return nil, carillon.Rejectf("nobody was given this token")
	case token.Used:
		return nil, carillon.Rejectf("the token was used already")
	case token.Replaced:
		return nil, carillon.Rejectf("the token was replaced by a later one")
	case !m.Now.Before(token.Expires):
		return nil, carillon.Rejectf("the token has expired")
	default:
		return carillon.Events(Confirmed{Subscriber: token.Subscriber, Digest: digest}), nil
	}
}

// Decider returns the decider, for an application or a test.
func Decider() *sourcing.Decider[Tokens] {
	return sourcing.Boundary("optin",
		sourcing.On("optin.requested", Tokens.Requested),
		sourcing.On("optin.confirmed", Tokens.Confirmed),
		sourcing.DecideAt("optin.request", Request.Tags, Tokens.DecideRequest),
		sourcing.DecideAt("optin.confirm", Confirm.Tags, Tokens.DecideConfirm))
}

// with is a map with one value set. Folds change nothing they are given.
func with[V any](m map[string]V, key string, value V) map[string]V {
	larger := make(map[string]V, len(m)+1)
	maps.Copy(larger, m)
	larger[key] = value
	return larger
}
