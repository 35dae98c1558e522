package redisstream

import (
	"context"
	"embed"
	"fmt"

	"github.com/redis/go-redis/v9"
)

//go:embed scripts/*.lua
var files embed.FS

// scripts are what the server does in one step.
type scripts struct {
	declare, publish, tend, begin, settle, release, leave, trim, probe *redis.Script
}

func newScripts() (*scripts, error) {
	s := &scripts{}
	for name, script := range map[string]**redis.Script{
		"declare": &s.declare, "publish": &s.publish, "tend": &s.tend, "begin": &s.begin, "settle": &s.settle, "release": &s.release,
		"leave": &s.leave, "trim": &s.trim, "probe": &s.probe,
	} {
		text, err := files.ReadFile("scripts/" + name + ".lua")
		if err != nil {
			return nil, fmt.Errorf("script %s: %w", name, err)
		}
		*script = redis.NewScript(string(text))
	}
	return s, nil
}

// run runs a script within the time of a call.
func (b *Broker) run(ctx context.Context, script *redis.Script, keys []string, arguments ...any) (any, error) {
	ctx, stop := context.WithTimeoutCause(ctx, b.source.timeout, errTimeout)
	defer stop()
	result, err := script.Run(ctx, b.client, keys, arguments...).Result()
	if err != nil && err != redis.Nil { //nolint:errorlint // the client gives it unwrapped
		return nil, unavailable(ctx, err)
	}
	return result, nil
}
