package carillon_test

import (
	"testing"

	"github.com/carillon-go/carillon"
)

func TestTag(t *testing.T) {
	t.Parallel()
	tests := []struct {
		tag        carillon.Tag
		key, value string
	}{
		{carillon.NewTag("course", "c1"), "course", "c1"},
		{carillon.NewTag("url", "http://x:8080"), "url", "http://x:8080"},
		{carillon.NewTag("course", ""), "course", ""},
		{"course", "course", ""},
		{":c1", "", "c1"},
	}
	for _, test := range tests {
		t.Run(string(test.tag), func(t *testing.T) {
			t.Parallel()
			if key, value := test.tag.Key(), test.tag.Value(); key != test.key || value != test.value {
				t.Errorf("key %q, value %q, want %q and %q", key, value, test.key, test.value)
			}
		})
	}
}
