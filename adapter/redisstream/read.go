package redisstream

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// readBlock is how long one read waits for messages. Reads change nothing on the server, so that a consumer which was paused
	// does no harm with one.
	readBlock = 100 * time.Millisecond
	// readAtOnce is how many entries of a partition one read brings at most, and readBytes about how many bytes. Once more than that
	// waits to be handed out, there is no read.
	readAtOnce = 256
	readBytes  = 4 << 20
)

// read reads partitions ahead until the context ends.
func (s *subscription) read(ctx context.Context) {
	count := int64(readAtOnce / 8)
	for ctx.Err() == nil {
		reading, streams := s.readable(int(count))
		if len(reading) == 0 {
			timer := time.NewTimer(readBlock)
			select {
			case <-s.owned:
			case <-timer.C:
			case <-ctx.Done():
			}
			timer.Stop()
			continue
		}
		bounded, stop := context.WithTimeout(ctx, readBlock+s.broker.source.timeout)
		found, err := s.broker.client.XRead(bounded, &redis.XReadArgs{Streams: streams, Count: count, Block: readBlock}).Result()
		stop()
		switch {
		case err == nil: // each of the streams found has entries
			s.have(reading, found)
			count = min(max(readBytes/size(found), 1), 2*count, readAtOnce)
		case !errors.Is(err, redis.Nil) && ctx.Err() == nil:
			s.broker.heals(err, "reading", s.key)
			idle(ctx, readBlock)
		}
	}
}

// readable lists the sessions with room to read ahead, and what to read.
func (s *subscription) readable(count int) (reading []*session, streams []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []string
	for _, at := range s.sessions {
		if at != nil && !at.releasing && len(at.waiting) <= count {
			reading, streams, ids = append(reading, at), append(streams, at.stream), append(ids, at.cursor)
		}
	}
	return reading, append(streams, ids...)
}

func (s *subscription) have(reading []*session, found []redis.XStream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range found {
		for _, at := range reading {
			if at.stream == found[i].Stream && !at.over {
				at.add(found[i].Messages)
			}
		}
	}
	wake(s.more)
}

// size is the mean size of the first entries of streams, in bytes.
func size(found []redis.XStream) int64 {
	bytes := 0
	for i := range found {
		for name, value := range found[i].Messages[0].Values {
			text, _ := value.(string)
			bytes += len(name) + len(text)
		}
	}
	return int64(bytes/max(len(found), 1)) + 1
}
