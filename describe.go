package carillon

// Description is what a part says of itself: enough to print, draw and test a running system.
type Description struct {
	// Kind is the sort of part, such as "aggregate", "projection" or "store".
	Kind string `json:"kind"`
	Name string `json:"name"`
	// Accepts and Emits name message types.
	Accepts []string `json:"accepts,omitempty"`
	Emits   []string `json:"emits,omitempty"`
	// Detail holds settings worth knowing, by name.
	Detail map[string]string `json:"detail,omitempty"`
	Parts  []Description     `json:"parts,omitempty"`
}

// Describer describes itself. It does no I/O.
type Describer interface {
	Describe() Description
}
