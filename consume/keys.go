package consume

import "hash/maphash"

// keyTable finds the lane of a key. It is a hash table chained through the lanes, because lanes come and go with nearly every
// delivery. Its seed differs from run to run, which nothing outside can tell.
type keyTable struct {
	seed    maphash.Seed
	buckets []int32 // a power of two of them, each the first lane of a chain
	n       int
}

const firstBuckets = 64

func newKeyTable() keyTable { return keyTable{seed: maphash.MakeSeed()} }

func (t *keyTable) hash(key string) uint64 { return maphash.String(t.seed, key) }

func (t *keyTable) bucket(hash uint64) *int32 { return &t.buckets[hash&uint64(len(t.buckets)-1)] }

// find returns the lane of a key, or none.
func (t *keyTable) find(lanes []lane, key string, hash uint64) int32 {
	if t.n == 0 {
		return none
	}
	at := *t.bucket(hash)
	for at != none && (lanes[at].hash != hash || lanes[at].key != key) {
		at = lanes[at].chain
	}
	return at
}

// add adds a lane whose key has none, and whose hash is set.
func (t *keyTable) add(lanes []lane, at int32) {
	if t.n == len(t.buckets) {
		t.grow(lanes)
	}
	t.link(lanes, at)
	t.n++
}

func (t *keyTable) link(lanes []lane, at int32) {
	first := t.bucket(lanes[at].hash)
	lanes[at].chain = *first
	*first = at
}

// remove takes out a lane that was added.
func (t *keyTable) remove(lanes []lane, at int32) {
	link := t.bucket(lanes[at].hash)
	for *link != at {
		link = &lanes[*link].chain
	}
	*link = lanes[at].chain
	t.n--
}

func (t *keyTable) grow(lanes []lane) {
	old := t.buckets
	t.buckets = make([]int32, max(firstBuckets, 2*len(old)))
	for i := range t.buckets {
		t.buckets[i] = none
	}
	for _, at := range old {
		for at != none {
			next := lanes[at].chain
			t.link(lanes, at)
			at = next
		}
	}
}
