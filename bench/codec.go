package main

import (
	"encoding/json"

	"github.com/carillon-go/carillon"
)

// standardCodec is encoding/json, which sides that are compared for the work around decoding share.
type standardCodec struct{}

var _ carillon.Codec = standardCodec{}

func (standardCodec) ContentType() string { return carillon.ContentTypeJSON }

func (standardCodec) Encode(value any) ([]byte, error) { return json.Marshal(value) }

func (standardCodec) Decode(data []byte, target any) error { return json.Unmarshal(data, target) }
