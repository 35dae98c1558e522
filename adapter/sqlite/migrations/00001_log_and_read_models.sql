-- +goose Up
CREATE TABLE carillon_types (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE carillon_events (
    position INTEGER PRIMARY KEY,
    stream   TEXT,
    version  INTEGER,
    type     INTEGER NOT NULL,
    id       ANY NOT NULL,     -- a UUID as 16 bytes, any other id as text
    time     INTEGER NOT NULL, -- microseconds since 1970, UTC
    metadata BLOB,
    payload  BLOB NOT NULL
) STRICT;

CREATE UNIQUE INDEX carillon_events_stream ON carillon_events (stream, version) WHERE stream IS NOT NULL;
CREATE INDEX carillon_events_type ON carillon_events (type);

CREATE TABLE carillon_tags (
    tag      TEXT NOT NULL,
    position INTEGER NOT NULL,
    type     INTEGER NOT NULL,
    PRIMARY KEY (tag, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE carillon_commands (
    id      TEXT PRIMARY KEY,
    digest  BLOB NOT NULL,
    first   INTEGER NOT NULL,
    last    INTEGER NOT NULL,
    version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE carillon_models (
    id         INTEGER PRIMARY KEY,
    name       TEXT NOT NULL,
    shadow     INTEGER NOT NULL,
    checkpoint INTEGER NOT NULL,
    UNIQUE (name, shadow)
) STRICT;

CREATE TABLE carillon_rows (
    id      INTEGER PRIMARY KEY,
    model   INTEGER NOT NULL,
    key     TEXT NOT NULL,
    value   BLOB NOT NULL,
    version INTEGER NOT NULL,
    UNIQUE (model, key)
) STRICT;

CREATE TABLE carillon_snapshots (
    key         TEXT PRIMARY KEY,
    at          INTEGER NOT NULL,
    fingerprint TEXT NOT NULL,
    state       BLOB NOT NULL
) STRICT;
