package carillon

import "strings"

// Tag is a label on an event, written key:value. Boundaries that cross streams are drawn with tags.
type Tag string

// NewTag joins a key and a value. The key holds no colon; the value may.
func NewTag(key, value string) Tag { return Tag(key + ":" + value) }

// Key is the part before the first colon.
func (t Tag) Key() string {
	key, _, _ := strings.Cut(string(t), ":")
	return key
}

// Value is the part after the first colon.
func (t Tag) Value() string {
	_, value, _ := strings.Cut(string(t), ":")
	return value
}

// Tagger is an event that carries tags.
type Tagger interface {
	Tags() []Tag
}
