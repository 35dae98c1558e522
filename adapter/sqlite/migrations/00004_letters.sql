-- +goose Up
CREATE TABLE carillon_letters (
    id       INTEGER PRIMARY KEY,
    consumer TEXT NOT NULL,
    shadow   INTEGER NOT NULL, -- 1 for a letter of a read model that is being made anew
    key      TEXT NOT NULL,
    position INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    cause    TEXT NOT NULL,
    stack    TEXT NOT NULL,
    first    INTEGER, -- microseconds since 1970, UTC; NULL for an event that waits
    last     INTEGER,
    UNIQUE (consumer, shadow, key, position)
) STRICT;

INSERT INTO carillon_letters (id, consumer, shadow, key, position, attempts, cause, stack, first, last)
    SELECT id, consumer, 0, key, position, attempts, cause, stack, first, last FROM carillon_deadletters;

DROP TABLE carillon_deadletters;
ALTER TABLE carillon_letters RENAME TO carillon_deadletters;
