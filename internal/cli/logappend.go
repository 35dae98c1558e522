package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/eventlog"
)

// logAppend appends one event.
type logAppend struct {
	store       storeFlag
	typ         string
	stream      string
	expect      string
	tags        []string
	command     string
	id          string
	contentType string
	json        bool
	std         *stdio
}

// appendObject is the outcome of an append as --json prints it.
type appendObject struct {
	Position  carillon.Position `json:"position"`
	Stream    string            `json:"stream,omitempty"`
	Version   int64             `json:"version,omitempty"`
	ID        string            `json:"id,omitempty"`
	Duplicate bool              `json:"duplicate"`
}

func newLogAppend(std *stdio) *cobra.Command {
	a := &logAppend{std: std}
	command := &cobra.Command{
		Use:   "append --store URL --type TYPE [PAYLOAD | -]",
		Short: "Append an event to a log",
		Long: "Appends one event and prints where it stands, once it is on disk. PAYLOAD is JSON unless --content-type says\n" +
			"otherwise; - reads it from standard input, and without one the event carries {}. The store is made if it is not\n" +
			"there, and is refused while another process writes to it.\n\n" +
			"Guards: --expect says at which version the stream must be, and goes with --stream. With --command the append takes\n" +
			"place once, however often it is sent.",
		Example: "  carillon log append --store sqlite:bank.db --type account.opened --stream account-1 --expect none '{\"Owner\":\"Ada\"}'\n" +
			"  carillon log append --store sqlite:bank.db --type note.taken --content-type text/plain - < note.txt",
		Args: arguments(0, 1),
		RunE: func(command *cobra.Command, args []string) error { return a.run(command.Context(), args) },
	}
	a.store.add(command)
	flags := command.Flags()
	flags.StringVar(&a.typ, "type", "", "the event's `TYPE`")
	flags.StringVar(&a.stream, "stream", "", "the `STREAM` it goes to; without one it is found by its tags")
	flags.StringVar(&a.expect, "expect", "", "the `VERSION` the stream must be at: a number, none or any")
	flags.StringArrayVar(&a.tags, "tag", nil, "a tag, written `KEY:VALUE`; may be repeated")
	flags.StringVar(&a.command, "command", "", "the `ID` under which the append takes place once")
	flags.StringVar(&a.id, "id", "", "the event's `ID`; one is made without it")
	flags.StringVar(&a.contentType, "content-type", "", "the payload's media `TYPE`; JSON without it")
	flags.BoolVar(&a.json, "json", false, "print one JSON object")
	return command
}

func (a *logAppend) run(ctx context.Context, args []string) error {
	// What is wrong with the command line is told before a store is made.
	if _, err := a.store.opener(); err != nil {
		return err
	}
	request, err := a.request(ctx, args)
	if err == nil {
		check := request
		check.Events = []carillon.Message{request.Events[0]}
		if a.id == "" {
			check.Events[0].ID = "made-by-the-log"
		}
		err = invalidUsage(check.Check(carillon.MaxPayload))
	}
	if err != nil {
		return err
	}
	return a.store.write(ctx, func(store carillon.Store) error {
		appended, err := eventlog.New(store.Log()).Append(ctx, request)
		switch {
		case errors.Is(err, carillon.ErrConflict):
			return advise(err, "read the stream and decide again")
		case errors.Is(err, carillon.ErrCommandReused):
			return advise(fmt.Errorf("--command %s: %w", a.command, err), "use another id")
		case err != nil:
			return err
		}
		return a.print(appended, request.Events[0].ID)
	})
}

// request makes the append of the command line.
func (a *logAppend) request(ctx context.Context, args []string) (carillon.Append, error) {
	if a.typ == "" {
		return carillon.Append{}, usagef("--type is missing: name the event's type, such as account.opened")
	}
	expect, err := a.expectation()
	if err != nil {
		return carillon.Append{}, err
	}
	payload, err := a.payload(ctx, args)
	if err != nil {
		return carillon.Append{}, err
	}
	event := carillon.Message{Kind: carillon.KindEvent, ID: a.id, Type: a.typ, ContentType: a.contentType, Payload: payload}
	for _, tag := range a.tags {
		event.Tags = append(event.Tags, carillon.Tag(tag))
	}
	request := carillon.Append{Stream: a.stream, Expect: expect, Events: []carillon.Message{event}}
	if a.command != "" {
		request.Command = &carillon.CommandGuard{ID: a.command}
	}
	return request, nil
}

func (a *logAppend) expectation() (carillon.Expect, error) {
	switch {
	case a.stream == "" && a.expect == "":
		return carillon.Expect{}, nil
	case a.stream == "":
		return carillon.Expect{}, usagef("--expect %s: it needs a stream: name one with --stream", a.expect)
	case a.expect == "":
		return carillon.Expect{}, usagef("--expect is missing: say at which version stream %s must be: a number, none or any", a.stream)
	case a.expect == "any":
		return carillon.AnyVersion(), nil
	case a.expect == "none":
		return carillon.NoStream(), nil
	}
	version, err := strconv.ParseInt(a.expect, 10, 64)
	if err != nil || version < 0 {
		return carillon.Expect{}, usagef("--expect %q: say which version the stream must be at: a number, none or any", a.expect)
	}
	return carillon.Exactly(version), nil
}

// payload is that of the command line, checked to be JSON if it ought to be.
func (a *logAppend) payload(ctx context.Context, args []string) ([]byte, error) {
	json := a.contentType == "" || isJSON(a.contentType)
	var payload []byte
	switch {
	case len(args) == 0 && json:
		payload = []byte("{}")
	case len(args) == 0:
	case args[0] == "-":
		var err error
		if payload, err = a.std.readAll(ctx, carillon.MaxPayload+1); err != nil {
			return nil, fmt.Errorf("read the payload from standard input: %w", err)
		}
	default:
		payload = []byte(args[0])
	}
	if !json || len(payload) > carillon.MaxPayload {
		return payload, nil // the log refuses what is too large
	}
	payload = bytes.TrimSpace(payload)
	if !validJSON(payload) {
		return nil, usagef("the payload is not JSON: quote it as one argument, or say --content-type")
	}
	return payload, nil
}

func (a *logAppend) print(appended carillon.Appended, id string) error {
	if a.json {
		object := appendObject{
			Position: appended.First, Stream: a.stream, Version: appended.Version, ID: id, Duplicate: appended.Duplicate,
		}
		if appended.Duplicate {
			object.ID = "" // that of the event which stands there is another
		}
		return a.std.out.object(object)
	}
	place := fmt.Sprintf("position %d", appended.First)
	if a.stream != "" {
		place += fmt.Sprintf(", version %d of stream %s", appended.Version, printable(a.stream))
	}
	if appended.Duplicate {
		a.std.out.printf("duplicate: command %s was appended before, at %s\n", printable(a.command), place)
	} else {
		a.std.out.printf("appended at %s\n", place)
	}
	return nil
}
