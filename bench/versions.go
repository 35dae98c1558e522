package main

import "context"

// versions are those of a log's streams. A caller has every 64th stream, so that nobody disturbs another.
type versions struct {
	last [][]int64 // by caller
}

// newVersions knows a log of so many streams with as many events each.
func newVersions(streams, length int) *versions {
	v := &versions{last: make([][]int64, many)}
	for caller := range v.last {
		v.last[caller] = make([]int64, streams/many)
		for i := range v.last[caller] {
			v.last[caller][i] = int64(length)
		}
	}
	return v
}

// picker says to which of its streams, of as many as it has, a caller's nth append goes.
type picker func(caller, n, streams int) int

// hundredStreams is one of a hundred, spread evenly over all.
func hundredStreams(_, n, streams int) int {
	return n % streamsEach * max(1, streams/streamsEach) % streams
}

// everyStream is any of all, in no order.
func everyStream(caller, n, streams int) int {
	return int(scatter(uint64(n*many+caller)) % uint64(streams))
}

// appender appends to the streams.
func (v *versions) appender(p *product, pick picker) appender {
	payload := payloadFor(1, customerKey(1))
	return func(ctx context.Context, caller, n int) error {
		last := v.last[caller]
		i := pick(caller, n, len(last))
		if err := p.appendOne(ctx, customerStream(customerKey(i*many+caller)), last[i]+1, payload); err != nil {
			return err
		}
		last[i]++
		return nil
	}
}

// scatter mixes a number's bits, so that numbers in order come out in none.
func scatter(n uint64) uint64 {
	n ^= n >> 31
	n *= 0x7fb5d329728ea185
	n ^= n >> 27
	n *= 0x81dadef4bc2dd44d
	return n ^ n>>33
}
