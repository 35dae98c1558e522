// Package codec holds the codecs payloads are written with. JSON is the default.
package codec

import (
	"encoding/json"

	"github.com/carillon-go/carillon"
)

// JSON returns the default codec. Decoding ignores unknown fields, so that old programs read what newer ones added.
func JSON() carillon.Codec { return jsonCodec{} }

type jsonCodec struct{}

func (jsonCodec) ContentType() string { return carillon.ContentTypeJSON }

func (jsonCodec) Encode(value any) ([]byte, error) { return json.Marshal(value) }

func (jsonCodec) Decode(data []byte, target any) error { return json.Unmarshal(data, target) }
