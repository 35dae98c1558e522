package rabbitmq

import amqp "github.com/rabbitmq/amqp091-go"

// queue holds what was delivered and not handed out, in order. Prefetch bounds it.
type queue struct {
	items []amqp.Delivery
	head  int
}

func (q *queue) len() int { return len(q.items) - q.head }

func (q *queue) push(d amqp.Delivery) {
	if q.head > 64 && 2*q.head >= len(q.items) {
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	q.items = append(q.items, d)
}

func (q *queue) pop() amqp.Delivery {
	d := q.items[q.head]
	q.items[q.head] = amqp.Delivery{}
	q.head++
	if q.head == len(q.items) {
		q.items, q.head = q.items[:0], 0
	}
	return d
}
