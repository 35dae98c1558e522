package postgres

import (
	"strings"
	"sync"
)

// texts are statements with the schema's name filled in, each made once.
type texts struct {
	schema string
	filled sync.Map // statement as written -> statement as sent
}

// fill puts the schema's name where a statement says {{schema}}.
func (t *texts) fill(statement string) string {
	if text, ok := t.filled.Load(statement); ok {
		return text.(string)
	}
	text := strings.ReplaceAll(statement, "{{schema}}", t.schema)
	t.filled.Store(statement, text)
	return text
}
