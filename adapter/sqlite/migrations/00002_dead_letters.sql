-- +goose Up
CREATE TABLE carillon_deadletters (
    id       INTEGER PRIMARY KEY,
    consumer TEXT NOT NULL,
    key      TEXT NOT NULL,
    position INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    cause    TEXT NOT NULL,
    stack    TEXT NOT NULL,
    first    INTEGER, -- microseconds since 1970, UTC; NULL for an event that waits
    last     INTEGER,
    UNIQUE (consumer, key, position)
) STRICT;

CREATE TABLE carillon_retries (
    consumer TEXT NOT NULL,
    key      TEXT NOT NULL,
    PRIMARY KEY (consumer, key)
) STRICT, WITHOUT ROWID;
