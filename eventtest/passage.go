package eventtest

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/codec"
)

// passed passes a value through the codec, as a log and a store do.
func passed[V any](value V) (V, error) {
	var stored V
	payload, err := codec.JSON().Encode(value)
	if err == nil {
		err = codec.JSON().Decode(payload, &stored)
	}
	if err == nil && !same(value, stored) {
		err = fmt.Errorf("it is not the same behind it\n%s", difference(stored, value))
	}
	return stored, err
}

// recorded is an event as a log takes it and as it comes back: its message, checked as an append checks it, and its value.
func recorded(name string, event carillon.Event) (carillon.Message, carillon.Event, error) {
	if event == nil {
		return carillon.Message{}, nil, errors.New("it is nil")
	}
	payload, err := codec.JSON().Encode(event)
	if err != nil {
		return carillon.Message{}, nil, err
	}
	message := carillon.Message{ID: "test", Type: name, SchemaVersion: 1, ContentType: carillon.ContentTypeJSON, Payload: payload}
	if tagger, ok := event.(carillon.Tagger); ok {
		message.Tags = tagger.Tags()
	}
	check := carillon.Append{Events: []carillon.Message{message}}
	if err := check.Check(carillon.MaxPayload); err != nil {
		return message, nil, err
	}
	stored := reflect.New(reflect.TypeOf(event))
	if err := codec.JSON().Decode(payload, stored.Interface()); err != nil {
		return message, nil, err
	}
	back := stored.Elem().Interface()
	if !same(event, back) {
		return message, nil, fmt.Errorf("it is not the same behind the codec\n%s", difference(back, event))
	}
	return message, back, nil
}

// noSnapshots stands where a decider with snapshots wants a store.
type noSnapshots struct{}

func (noSnapshots) LoadSnapshot(context.Context, string) (carillon.Snapshot, error) {
	return carillon.Snapshot{}, carillon.ErrNotFound
}

func (noSnapshots) SaveSnapshot(context.Context, carillon.Snapshot) error { return nil }
