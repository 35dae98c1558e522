package rabbitmq_test

import (
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/traffic"
)

// TestAGhostAmongConsumers has one of two consumers hear a word of a third that is no more, as of one that was killed whose last word comes
// late: the partitions which that consumer leaves to the third do not stay nobody's.
func TestAGhostAmongConsumers(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	broker := traffic.Open(t, p.source)
	p.topics["orders"] = traffic.Topic(8)
	traffic.Declare(t, broker, p.topics["orders"])
	talk := overhear(t, p)
	first := traffic.Join(t, broker, carillon.SubscribeOptions{Consumer: "a"})
	id := talk.next(t, "hello").MessageId
	second := traffic.Join(t, broker, carillon.SubscribeOptions{Consumer: "b"})
	talk.next(t, "hello")
	talk.tell(t, p.prefix+"::"+id, amqp.Publishing{Type: "here", MessageId: "c"}) // not the one that the first looks after
	talk.tell(t, p.prefix+"::"+id, amqp.Publishing{Type: "ask", ReplyTo: talk.queue})
	if members := talk.next(t, "holds").Headers["members"]; members != int32(3) {
		t.Fatalf("the first consumer knows of %v, want 3", members)
	}
	messages := traffic.Numbered(0, 80)
	for i := range messages {
		messages[i].Key = "" // one partition after the other
	}
	traffic.Publish(t, broker, messages)
	received := make(chan int)
	for _, each := range []carillon.Subscription{first, second} {
		go func() {
			for {
				deliveries, err := each.Receive(t.Context(), 80)
				if err != nil || each.Ack(t.Context(), deliveries) != nil {
					return
				}
				select {
				case received <- len(deliveries):
				case <-t.Context().Done():
					return
				}
			}
		}()
	}
	limit := time.After(traffic.Patience)
	for count := 0; count < 80; {
		select {
		case more := <-received:
			count += more
		case <-limit:
			t.Fatalf("%d of 80 messages have come", count)
		}
	}
}

// talk is what the consumers of a subscription say to one another, overheard.
type talk struct {
	ch    *amqp.Channel
	queue string
	heard <-chan amqp.Delivery
}

func overhear(t *testing.T, p *place) *talk {
	t.Helper()
	conn, err := amqp.Dial(p.url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	queue, err := ch.QueueDeclare("", false, true, true, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := ch.QueueBind(queue.Name, "", p.prefix+":orders:billing", false, nil); err != nil {
		t.Fatal(err)
	}
	heard, err := ch.Consume(queue.Name, "", true, true, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	return &talk{ch, queue.Name, heard}
}

// next waits for a word of a type.
func (o *talk) next(t *testing.T, word string) amqp.Delivery {
	t.Helper()
	for limit := time.After(traffic.Patience); ; {
		select {
		case d := <-o.heard:
			if d.Type == word {
				return d
			}
		case <-limit:
			t.Fatalf("nobody says %q", word)
		}
	}
}

func (o *talk) tell(t *testing.T, queue string, word amqp.Publishing) {
	t.Helper()
	if err := o.ch.PublishWithContext(t.Context(), "", queue, false, false, word); err != nil {
		t.Fatal(err)
	}
}
