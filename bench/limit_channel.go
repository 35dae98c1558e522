package main

import "context"

// handChannel is a buffered channel and a goroutine that calls the handler with what comes out of it. Nothing is confirmed, kept or
// given again.
type handChannel struct {
	queue chan parcel
	ended chan error
}

func openHandChannel(room int, handle receiver) *handChannel {
	h := &handChannel{queue: make(chan parcel, room), ended: make(chan error, 1)}
	go func() {
		for p := range h.queue {
			if err := handle(p.payload); err != nil {
				h.ended <- err
				return
			}
		}
		h.ended <- nil
	}()
	return h
}

func (h *handChannel) send(_ context.Context, _ int, batch []parcel) error {
	for i := range batch {
		h.queue <- batch[i]
	}
	return nil
}

func (h *handChannel) close() error {
	close(h.queue)
	return <-h.ended
}
