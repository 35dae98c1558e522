package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/hallgren/eventsourcing"
	"github.com/hallgren/eventsourcing/aggregate"
	store "github.com/hallgren/eventsourcing/eventstore/sql"
	_ "github.com/ncruces/go-sqlite3/driver" // registers "sqlite3"
	_ "modernc.org/sqlite"                   // registers "sqlite"
)

// hallgrenConnections is how many connections its pool holds. One writer at a time is its store's own rule; the others load.
const hallgrenConnections = 8

// hallgren carries out commands with github.com/hallgren/eventsourcing and its SQLite store.
type hallgren struct {
	db    *sql.DB
	store *store.SQLite
}

// hallgrenCustomer is a customer as that library wants it.
type hallgrenCustomer struct {
	aggregate.Root
	state Customer
}

// Register names the events of the aggregate.
func (c *hallgrenCustomer) Register(register aggregate.RegisterFunc) { register(&OrderPlaced{}) }

// Transition folds an event.
func (c *hallgrenCustomer) Transition(event eventsourcing.Event) {
	if e, ok := event.Data().(*OrderPlaced); ok {
		c.state = c.state.Placed(*e)
	}
}

// startHallgren starts it on a driver of database/sql.
func startHallgren(driver string) func(context.Context, *workspace) (contestant, error) {
	return func(_ context.Context, w *workspace) (contestant, error) {
		aggregate.Register(&hallgrenCustomer{})
		pragmas := []string{"busy_timeout(5000)", "journal_mode(wal)", "synchronous(full)", "wal_autocheckpoint(4000)", "cache_size(-8192)"}
		db, err := sql.Open(driver, "file:"+w.path("hallgren.db")+"?_txlock=immediate&_pragma="+strings.Join(pragmas, "&_pragma="))
		if err != nil {
			return nil, err
		}
		db.SetMaxOpenConns(hallgrenConnections)
		db.SetMaxIdleConns(hallgrenConnections)
		events, err := store.NewSQLiteSingelWriter(db)
		if err != nil {
			return nil, errors.Join(err, db.Close())
		}
		return &hallgren{db: db, store: events}, nil
	}
}

func (h *hallgren) place(ctx context.Context, _ int, command PlaceOrder) error {
	customer := &hallgrenCustomer{}
	err := aggregate.Load(ctx, h.store, command.Customer, customer)
	if errors.Is(err, eventsourcing.ErrAggregateNotFound) {
		err = customer.SetID(command.Customer)
	}
	if err != nil {
		return err
	}
	event, err := customer.state.place(command)
	if err != nil {
		return err
	}
	aggregate.TrackChange(customer, &event)
	return aggregate.Save(h.store, customer)
}

func (h *hallgren) orders(ctx context.Context, customers int) (int64, error) {
	var orders, rows int64
	for i := range customers {
		customer := &hallgrenCustomer{}
		if err := aggregate.Load(ctx, h.store, customerKey(i), customer); err != nil {
			return 0, err
		}
		orders += customer.state.Orders
	}
	if err := h.db.QueryRowContext(ctx, "SELECT count(*) FROM events").Scan(&rows); err != nil {
		return 0, err
	}
	if rows != orders {
		return 0, fmt.Errorf("the states count %d orders, the store %d", orders, rows)
	}
	return orders, nil
}

func (h *hallgren) close() error { return h.db.Close() }
