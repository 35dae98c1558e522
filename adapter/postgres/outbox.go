package postgres

import (
	"errors"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/carillon-go/carillon"
	"github.com/carillon-go/carillon/internal/topics"
)

// Publish adds messages to a topic. They are written right before the commit, since that locks the topic: then a topic may have become
// full, and the transaction fails with [carillon.ErrTopicFull].
func (u *update) Publish(name string, messages []carillon.Message) error {
	p, err := u.store.hub.Prepare(name, messages, func(name string) (topics.Topic, error) {
		if err := u.sendPut(); err != nil {
			return topics.Topic{}, err
		}
		return u.store.findTopic(u.ctx, u.tx, name)
	})
	if err != nil || len(messages) == 0 {
		return err
	}
	if p.Topic.Limited {
		if err := u.hasRoom(p); err != nil {
			return err
		}
	}
	u.published = append(u.published, p)
	return nil
}

// hasRoom refuses messages that a topic has no room for, behind those that the transaction publishes already.
func (u *update) hasRoom(p *topics.Publication) error {
	const text = `SELECT k.maximum = 0 OR k.last + $2 - coalesce((` + settledMessages + `), k.last + $2) <= k.maximum FROM {{schema}}.topics k WHERE k.id = $1`
	count, room := int64(len(p.Messages)), false
	for _, other := range u.published {
		if other.Topic.ID == p.Topic.ID {
			count += int64(len(other.Messages))
		}
	}
	if err := u.sendPut(); err != nil {
		return err
	}
	if err := u.tx.QueryRow(u.ctx, u.store.texts.fill(text), p.Topic.ID, count).Scan(&room); err != nil {
		return err
	}
	if !room {
		return full(p.Topic)
	}
	return nil
}

// queuePublished queues the writing of what was published, topics in order of name, so that transactions wait for each other in one
// direction.
func (u *update) queuePublished(batch *pgx.Batch) {
	byTopic := make(map[string][]*topics.Publication)
	var names []string
	for _, p := range u.published {
		if byTopic[p.Topic.Name] == nil {
			names = append(names, p.Topic.Name)
		}
		byTopic[p.Topic.Name] = append(byTopic[p.Topic.Name], p)
	}
	slices.SortFunc(names, strings.Compare)
	for _, name := range names {
		publications := byTopic[name]
		batch.Queue(u.store.texts.fill(publishMessages), messageArguments(publications)...).QueryRow(func(row pgx.Row) error {
			var before int64
			err := row.Scan(&before)
			if failure, ok := errors.AsType[*pgconn.PgError](err); ok && failure.Code == codeNoNumber {
				return full(publications[0].Topic)
			}
			place(publications, before)
			return err
		})
	}
}
