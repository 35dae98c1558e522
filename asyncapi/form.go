package asyncapi

import (
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// The objects of a document, as far as they are written here.
type (
	document struct {
		AsyncAPI           string               `json:"asyncapi"`
		Info               info                 `json:"info"`
		DefaultContentType string               `json:"defaultContentType"`
		Servers            map[string]server    `json:"servers,omitempty"`
		Channels           map[string]*channel  `json:"channels"`
		Operations         map[string]operation `json:"operations"`
		Components         *components          `json:"components,omitempty"`
	}

	info struct {
		Title       string `json:"title"`
		Version     string `json:"version"`
		Description string `json:"description"`
	}

	server struct {
		Host            string `json:"host"`
		Protocol        string `json:"protocol"`
		ProtocolVersion string `json:"protocolVersion,omitempty"`
	}

	channel struct {
		Address  string             `json:"address"`
		Messages map[string]message `json:"messages"`
	}

	message struct {
		Name          string       `json:"name"`
		Title         string       `json:"title"`
		ContentType   string       `json:"contentType"`
		CorrelationID *correlation `json:"correlationId,omitempty"`
		Headers       *huma.Schema `json:"headers,omitempty"`
		Payload       *huma.Schema `json:"payload"`
		Tags          []tag        `json:"tags"`
	}

	correlation struct {
		Location string `json:"location"`
	}

	operation struct {
		Action   string      `json:"action"`
		Summary  string      `json:"summary"`
		Channel  reference   `json:"channel"`
		Messages []reference `json:"messages"`
		Tags     []tag       `json:"tags"`
	}

	tag struct {
		Name string `json:"name"`
	}

	reference struct {
		Ref string `json:"$ref"`
	}

	components struct {
		Schemas map[string]*huma.Schema `json:"schemas"`
	}
)

func refer(path ...string) reference { return reference{Ref: "#/" + strings.Join(path, "/")} }
