-- +goose Up
CREATE TABLE carillon_topics (
    id         INTEGER PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    partitions INTEGER NOT NULL,
    retention  INTEGER NOT NULL, -- microseconds
    maximum    INTEGER NOT NULL, -- of messages that wait; 0 is any number
    last       INTEGER NOT NULL  -- the position of the last message
) STRICT;

CREATE TABLE carillon_messages (
    place     INTEGER PRIMARY KEY, -- the topic's id times 2^40, plus the position
    partition INTEGER NOT NULL,
    kind      INTEGER NOT NULL,
    type      TEXT NOT NULL,
    id        ANY NOT NULL,        -- a UUID as 16 bytes, any other id as text
    time      INTEGER NOT NULL,    -- microseconds since 1970, UTC
    published INTEGER NOT NULL,    -- likewise
    metadata  BLOB,
    payload   BLOB NOT NULL
) STRICT;

CREATE TABLE carillon_subscriptions (
    id    INTEGER PRIMARY KEY,
    topic INTEGER NOT NULL,
    name  TEXT NOT NULL,
    UNIQUE (topic, name)
) STRICT;

CREATE TABLE carillon_shares (
    subscription INTEGER NOT NULL,
    partition    INTEGER NOT NULL,
    position     INTEGER NOT NULL, -- everything up to it is settled
    PRIMARY KEY (subscription, partition)
) STRICT, WITHOUT ROWID;

CREATE TABLE carillon_inbox (
    id       INTEGER PRIMARY KEY, -- in order of time
    consumer TEXT NOT NULL,
    message  ANY NOT NULL,        -- a UUID as 16 bytes, any other id as text
    revision INTEGER NOT NULL,
    time     INTEGER NOT NULL,    -- microseconds since 1970, UTC
    UNIQUE (consumer, message, revision)
) STRICT;
