package optin

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	"github.com/carillon-go/carillon"
)

// The commands. They name subscribers by an id of yours; an address would stay in the log for good.
type (
	// Request asks a subscriber to confirm with a token, which [NewToken] made and which is sent to them once the command is
	// accepted. An earlier token of theirs is good for nothing from then on.
	Request struct{ Subscriber, Token string }
	// Confirm confirms with the token alone, as a link does.
	Confirm struct{ Token string }
)

// The events. They hold a digest of the token: who reads the log cannot confirm.
type (
	// Requested says that a token was given out.
	Requested struct {
		Subscriber string `json:"subscriber"`
		Digest     string `json:"digest"`
		// Replaces is the digest of the subscriber's token before, empty for none. It makes the event part of that token's boundary.
		Replaces string `json:"replaces,omitempty"`
		// Expires is when the token no longer confirms.
		Expires time.Time `json:"expires"`
	}
	// Confirmed says that the subscriber has opted in.
	Confirmed struct {
		Subscriber string `json:"subscriber"`
		Digest     string `json:"digest"`
	}
)

// NewToken makes a token that nobody guesses. Decisions do not make tokens: what they derive follows from the command's id, which is
// no secret.
func NewToken() string { return rand.Text() }

// Digest is what events hold of a token.
func Digest(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// Tags draws the command's boundary: the subscriber, and the token, which must be new.
func (c Request) Tags() []carillon.Tag { return tags(c.Subscriber, Digest(c.Token)) }

// Tags draws the command's boundary. Whose token it is, its events say.
func (c Confirm) Tags() []carillon.Tag { return tags("", Digest(c.Token)) }

// Tags names the boundaries that the event belongs to: the subscriber, the new token, and the one it replaces.
func (e Requested) Tags() []carillon.Tag {
	if e.Replaces == "" {
		return tags(e.Subscriber, e.Digest)
	}
	return tags(e.Subscriber, e.Digest, e.Replaces)
}

// Tags names the boundaries that the event belongs to.
func (e Confirmed) Tags() []carillon.Tag { return tags(e.Subscriber, e.Digest) }

// Validate checks that there is a token.
func (c Request) Validate() error { return check(c.Token) }

// Validate checks that there is a token.
func (c Confirm) Validate() error { return check(c.Token) }

func tags(subscriber string, digests ...string) []carillon.Tag {
	var all []carillon.Tag
	if subscriber != "" {
		all = append(all, carillon.NewTag("subscriber", subscriber))
	}
	for _, digest := range digests {
		all = append(all, carillon.NewTag("token", digest))
	}
	return all
}

// check wants as many characters as [NewToken] gives.
func check(token string) error {
	if len(token) < 26 {
		return errors.New("token: it has at least 26 characters")
	}
	return nil
}
