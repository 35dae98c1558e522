package carillon

// Codec turns values into payloads and back. Implementations are safe for concurrent use, keep no reference to data, and never
// choose a Go type from the wire.
type Codec interface {
	// ContentType is the media type of what Encode returns.
	ContentType() string
	// Encode returns the payload of a value; the caller owns it.
	Encode(value any) ([]byte, error)
	// Decode fills the value that target points to.
	Decode(data []byte, target any) error
}
