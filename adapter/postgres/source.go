package postgres

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/carillon-go/carillon"
)

// Source is a PostgreSQL database to open. It implements [carillon.Opener].
type Source struct {
	url       string
	schema    string
	pooled    bool
	existing  bool
	configure func(*pgxpool.Config)

	possibleLoss   bool
	brokerTimeout  time.Duration
	inboxRetention time.Duration

	beforeDone func() // called between an append and its commit, by tests
}

// Option changes a default of [URL].
type Option func(*Source)

// Schema keeps the store's tables in a schema of another name than carillon: several stores can share a database. The name has at most
// 48 letters, digits and underscores, small letters only, and begins with a letter.
func Schema(name string) Option { return func(s *Source) { s.schema = name } }

// PgBouncer says that the database is reached through a pooler in transaction mode, which gives each transaction another
// connection: statements are then not kept prepared.
func PgBouncer() Option { return func(s *Source) { s.pooled = true } }

// Existing opens a schema that is there, and makes none: opening another is refused with [carillon.ErrNotFound].
func Existing() Option { return func(s *Source) { s.existing = true } }

// Configure changes the pool of connections before it is made, such as its size. What a URL can say, say there. One connection will do;
// each segment that commits, each append and each read under way takes one, and waits for one when there is none. The store has one more
// connection than the pool, which renews leases.
func Configure(change func(*pgxpool.Config)) Option { return func(s *Source) { s.configure = change } }

// URL names a database, such as postgres://user@host/name or in any form that libpq knows; parameters that pgx adds, such as
// pool_max_conns, are honoured. It does no I/O.
func URL(url string, options ...Option) Source {
	s := Source{url: url, schema: "carillon", inboxRetention: defaultInboxRetention}
	for _, option := range options {
		option(&s)
	}
	return s
}

var schemaName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,47}$`)

// Open connects, and brings the schema up to date. Errors: an [*carillon.InvalidError] for a URL or schema name that is none,
// [carillon.ErrEngineTooOld] for a server before version 13, and [carillon.ErrSchemaNewer].
func (s Source) Open(ctx context.Context) (carillon.Store, error) {
	if !schemaName.MatchString(s.schema) {
		return nil, carillon.Invalidf(fmt.Sprintf("schema %q", s.schema),
			"a schema's name begins with a letter and has at most 48 small letters, digits and underscores")
	}
	config, err := pgxpool.ParseConfig(s.url)
	if err != nil { // its text may hold the password
		return nil, carillon.Invalidf("database URL", "write it as postgres://user:password@host:port/database")
	}
	config.ConnConfig.RuntimeParams["default_transaction_isolation"] = "read committed"
	config.ConnConfig.RuntimeParams["application_name"] = "carillon"
	if s.pooled {
		clear(config.ConnConfig.RuntimeParams) // the pooler's connections are set up already
		config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	}
	if s.configure != nil {
		s.configure(config)
	}
	return open(ctx, s, config)
}

// Describe describes the database without its password.
func (s Source) Describe() carillon.Description {
	name := "PostgreSQL"
	if config, err := pgx.ParseConfig(s.url); err == nil {
		place := url.URL{Scheme: "postgres", Host: fmt.Sprintf("%s:%d", config.Host, config.Port), Path: "/" + config.Database}
		name = place.String()
	}
	return carillon.Description{Kind: "store", Name: name, Detail: map[string]string{
		"schema": s.schema, "inbox": fmt.Sprintf("receipts of handled messages are kept for %v", s.inboxRetention),
	}}
}
