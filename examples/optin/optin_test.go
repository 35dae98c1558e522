package optin_test

import (
	"testing"
	"time"

	"github.com/carillon-go/carillon/eventtest"
	"github.com/carillon-go/carillon/examples/optin"
	"github.com/carillon-go/carillon/internal/racing"
)

type (
	request   = optin.Request
	confirm   = optin.Confirm
	requested = optin.Requested
	confirmed = optin.Confirmed
)

// asked is the event of a token that was given out at noon.
func asked(subscriber, token, replaces string) requested {
	e := requested{Subscriber: subscriber, Digest: optin.Digest(token), Expires: racing.Noon().Add(optin.Lifetime)}
	if replaces != "" {
		e.Replaces = optin.Digest(replaces)
	}
	return e
}

func TestATokenConfirmsOnce(t *testing.T) {
	t.Parallel()
	eventtest.Decider(t, optin.Decider()).At(racing.Noon()).
		When(request{"ann", "t1"}).Then(asked("ann", "t1", "")).
		When(confirm{"t2"}).ThenRejected("nobody was given this token").
		When(confirm{"t1"}).Then(confirmed{"ann", optin.Digest("t1")}).
		When(confirm{"t1"}).ThenRejected("the token was used already").
		When(request{"ann", "t3"}).ThenRejected("subscriber ann has confirmed already").
		When(request{"bob", "t3"}).Then(asked("bob", "t3", ""))
}

func TestATokenExpires(t *testing.T) {
	t.Parallel()
	expires := racing.Noon().Add(optin.Lifetime)
	tests := []struct {
		name string
		at   time.Time
		want string
	}{
		{"in time", expires.Add(-time.Microsecond), ""},
		{"at its end", expires, "the token has expired"},
		{"later", expires.Add(time.Hour), "the token has expired"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := eventtest.Decider(t, optin.Decider()).Given(asked("ann", "t1", "")).At(test.at).When(confirm{"t1"})
			if test.want == "" {
				d.Then(confirmed{"ann", optin.Digest("t1")})
			} else {
				d.ThenRejected(test.want)
			}
		})
	}
}

func TestALaterTokenReplacesTheOneBefore(t *testing.T) {
	t.Parallel()
	eventtest.Decider(t, optin.Decider()).At(racing.Noon()).
		When(request{"ann", "t1"}).Then(asked("ann", "t1", "")).
		When(request{"ann", "t2"}).Then(asked("ann", "t2", "t1")).
		When(confirm{"t1"}).ThenRejected("the token was replaced by a later one").
		When(request{"ann", "t3"}).Then(asked("ann", "t3", "t2")).
		When(confirm{"t1"}).ThenRejected("the token was replaced by a later one").
		When(confirm{"t2"}).ThenRejected("the token was replaced by a later one").
		When(confirm{"t3"}).Then(confirmed{"ann", optin.Digest("t3")})
}

func TestATokenIsGivenOutOnce(t *testing.T) {
	t.Parallel()
	eventtest.Decider(t, optin.Decider()).
		Given(asked("ann", "t1", ""), asked("ann", "t2", "t1")).
		When(request{"bob", "t1"}).ThenRejected("the token was given out before").
		When(request{"bob", "t2"}).ThenRejected("the token was given out before").
		When(request{"ann", "t2"}).ThenRejected("the token was given out before")
}

func TestANewTokenIsGoodEnough(t *testing.T) {
	t.Parallel()
	token := optin.NewToken()
	if other := optin.NewToken(); other == token {
		t.Errorf("two tokens are %s", token)
	}
	for _, test := range []struct {
		token string
		valid bool
	}{{token, true}, {token[1:], false}, {"", false}} {
		for _, err := range []error{confirm{test.token}.Validate(), request{"ann", test.token}.Validate()} {
			if (err == nil) != test.valid {
				t.Errorf("token %q: error %v", test.token, err)
			}
		}
	}
}
