package redisstream

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/carillon-go/carillon"
)

// settings are what a server is asked for.
type settings struct {
	known           bool
	appendOnly      bool
	flushAlways     bool
	flushOnRewrite  bool
	evictionPolicy  string
	version         string
	losses          []Loss
	explanation     string // of the first loss that nobody took
	confirmsToLevel carillon.Confirmation
}

// check asks the server for its settings and refuses those that lose messages, unless the source takes the loss.
func (s *Source) check(ctx context.Context, client redis.UniversalClient) (*settings, error) {
	found := &settings{}
	if err := found.ask(ctx, client); err != nil {
		return nil, err
	}
	if major, _ := strconv.Atoi(strings.SplitN(found.version, ".", 2)[0]); major < 7 {
		return nil, fmt.Errorf("the server is Redis %s, it takes 7.0: %w", found.version, carillon.ErrUnsupported)
	}
	found.confirmsToLevel = carillon.ConfirmedFlushed
	switch {
	case !found.known:
		found.lose(s, LossUnknown, "does not tell its settings to this user: allow CONFIG GET, or check them and say WithPossibleLoss(LossUnknown)")
		found.confirmsToLevel = carillon.ConfirmedInMemory
	case !found.appendOnly:
		found.lose(s, LossOnRestart, "has appendonly no: set it to yes, or say WithPossibleLoss(LossOnRestart)")
		found.confirmsToLevel = carillon.ConfirmedInMemory
	case !found.flushAlways:
		found.lose(s, LossOfLastSeconds, "has not appendfsync always: set it, or say WithPossibleLoss(LossOfLastSeconds)")
		found.confirmsToLevel = carillon.ConfirmedBySystem
	case !found.flushOnRewrite:
		found.lose(s, LossOfLastSeconds, "has no-appendfsync-on-rewrite yes: set it to no, or say WithPossibleLoss(LossOfLastSeconds)")
		found.confirmsToLevel = carillon.ConfirmedBySystem
	}
	if found.known && found.evictionPolicy != "noeviction" {
		found.lose(s, LossByEviction, "has maxmemory-policy "+found.evictionPolicy+": set it to noeviction, or say WithPossibleLoss(LossByEviction)")
	}
	if found.explanation != "" {
		return nil, fmt.Errorf("the server %s: %w", found.explanation, carillon.ErrUnsafe)
	}
	return found, nil
}

func (f *settings) lose(s *Source, loss Loss, explanation string) {
	f.losses = append(f.losses, loss)
	if !s.losses[loss] && f.explanation == "" {
		f.explanation = explanation
	}
}

func (f *settings) ask(ctx context.Context, client redis.UniversalClient) error {
	server, err := client.Info(ctx, "server").Result()
	if err != nil {
		return unavailable(ctx, err)
	}
	for line := range strings.Lines(server) {
		if version, ok := strings.CutPrefix(strings.TrimSpace(line), "redis_version:"); ok {
			f.version = version
		}
	}
	if cluster, ok := client.(*redis.ClusterClient); ok { // every one of them
		f.known, f.appendOnly, f.flushAlways, f.flushOnRewrite, f.evictionPolicy = true, true, true, true, "noeviction"
		found := make(chan *settings, 1)
		return cluster.ForEachMaster(ctx, func(ctx context.Context, master *redis.Client) error {
			one := &settings{}
			if err := one.askOne(ctx, master); err != nil {
				return err
			}
			found <- one
			defer func() { <-found }() // one at a time
			f.known = f.known && one.known
			f.appendOnly = f.appendOnly && one.appendOnly
			f.flushAlways = f.flushAlways && one.flushAlways
			f.flushOnRewrite = f.flushOnRewrite && one.flushOnRewrite
			if one.evictionPolicy != "noeviction" {
				f.evictionPolicy = one.evictionPolicy
			}
			return nil
		})
	}
	return f.askOne(ctx, client)
}

func (f *settings) askOne(ctx context.Context, client redis.Cmdable) error {
	values := make(map[string]string)
	for _, name := range []string{"appendonly", "appendfsync", "no-appendfsync-on-rewrite", "maxmemory-policy"} {
		found, err := client.ConfigGet(ctx, name).Result()
		if err != nil && (redis.HasErrorPrefix(err, "unknown command") || redis.HasErrorPrefix(err, "NOPERM")) {
			return nil // not known
		}
		if err != nil {
			return unavailable(ctx, err)
		}
		values[name] = found[name]
	}
	f.known = true
	f.appendOnly, f.flushAlways = values["appendonly"] == "yes", values["appendfsync"] == "always"
	f.flushOnRewrite, f.evictionPolicy = values["no-appendfsync-on-rewrite"] == "no", values["maxmemory-policy"]
	return nil
}
