-- One row, locked by every append before it reads a guard: positions are given in the order of commits, without gaps.
CREATE TABLE {{schema}}.log (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    head bigint NOT NULL,
    givenup bigint NOT NULL DEFAULT 0 -- counted up with every change to the table of that name
) WITH (fillfactor = 10);
INSERT INTO {{schema}}.log (head) VALUES (0);

CREATE TABLE {{schema}}.types (
    id   integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL COLLATE "C" UNIQUE
);

CREATE TABLE {{schema}}.events (
    position bigint PRIMARY KEY,
    version  bigint,
    time     bigint NOT NULL, -- microseconds since 1970, UTC
    type     integer NOT NULL,
    stream   text COLLATE "C",
    id       bytea NOT NULL,  -- a UUID as 16 bytes, any other id as a zero byte and its text
    metadata bytea,
    payload  bytea NOT NULL
);
ALTER TABLE {{schema}}.events ALTER COLUMN payload SET STORAGE EXTERNAL;
CREATE UNIQUE INDEX events_stream ON {{schema}}.events (stream, version) WHERE stream IS NOT NULL;
CREATE INDEX events_type ON {{schema}}.events (type, position);

CREATE TABLE {{schema}}.tags (
    tag      text NOT NULL COLLATE "C",
    position bigint NOT NULL,
    type     integer NOT NULL,
    PRIMARY KEY (tag, position) INCLUDE (type)
);

CREATE TABLE {{schema}}.commands (
    id      text COLLATE "C" PRIMARY KEY,
    digest  bytea NOT NULL,
    first   bigint NOT NULL,
    last    bigint NOT NULL,
    version bigint NOT NULL
);

-- Appends that their session has given up, and that may still be on their way: they are refused when they arrive.
CREATE TABLE {{schema}}.givenup (
    session uuid NOT NULL,
    number  bigint NOT NULL,
    at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (session, number)
);

CREATE TABLE {{schema}}.models (
    id     integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name   text NOT NULL COLLATE "C",
    shadow boolean NOT NULL,
    UNIQUE (name, shadow)
);

CREATE TABLE {{schema}}.checkpoints (
    model    integer NOT NULL REFERENCES {{schema}}.models ON DELETE CASCADE,
    segment  integer NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (model, segment)
) WITH (fillfactor = 10);

CREATE TABLE {{schema}}.rows (
    model   integer NOT NULL,
    key     bytea NOT NULL,
    version bigint NOT NULL,
    value   bytea NOT NULL,
    PRIMARY KEY (model, key)
);

CREATE TABLE {{schema}}.snapshots (
    key         bytea PRIMARY KEY,
    at          bigint NOT NULL,
    fingerprint text NOT NULL,
    state       bytea NOT NULL
);

CREATE TABLE {{schema}}.leases (
    name    text COLLATE "C" PRIMARY KEY,
    holder  text NOT NULL,
    epoch   bigint NOT NULL,
    expires timestamptz NOT NULL
);

CREATE TABLE {{schema}}.deadletters (
    consumer text NOT NULL COLLATE "C",
    key      bytea NOT NULL,
    position bigint NOT NULL,
    attempts integer NOT NULL,
    cause    text NOT NULL,
    stack    text NOT NULL,
    first    timestamptz,
    last     timestamptz,
    PRIMARY KEY (consumer, key, position)
);

CREATE TABLE {{schema}}.retries (
    consumer text NOT NULL COLLATE "C",
    key      bytea NOT NULL,
    PRIMARY KEY (consumer, key)
);

-- Whoever publishes to a topic locks its row as the last step: positions are given in the order of commits, without gaps.
CREATE TABLE {{schema}}.topics (
    id         integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text NOT NULL COLLATE "C" UNIQUE,
    partitions integer NOT NULL,
    retention  interval NOT NULL,
    maximum    bigint NOT NULL, -- of messages that wait; 0 is any number
    last       bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 10);

CREATE TABLE {{schema}}.messages (
    topic     integer NOT NULL,
    position  bigint NOT NULL,
    partition smallint NOT NULL,
    kind      smallint NOT NULL,
    time      bigint NOT NULL, -- microseconds since 1970, UTC
    published timestamptz NOT NULL DEFAULT now(),
    type      text NOT NULL,
    id        bytea NOT NULL,  -- a UUID as 16 bytes, any other id as a zero byte and its text
    metadata  bytea,
    payload   bytea NOT NULL,
    PRIMARY KEY (topic, position)
);
ALTER TABLE {{schema}}.messages ALTER COLUMN payload SET STORAGE EXTERNAL;

CREATE TABLE {{schema}}.subscriptions (
    id      integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic   integer NOT NULL REFERENCES {{schema}}.topics,
    name    text NOT NULL COLLATE "C",
    changed bigint NOT NULL DEFAULT 0, -- counted up when a consumer comes or goes, or gives a partition up
    UNIQUE (topic, name)
) WITH (fillfactor = 10);

CREATE TABLE {{schema}}.shares (
    subscription integer NOT NULL REFERENCES {{schema}}.subscriptions,
    partition    integer NOT NULL,
    position     bigint NOT NULL, -- everything up to it is settled
    consumer     text NOT NULL DEFAULT '' COLLATE "C",
    epoch        bigint NOT NULL DEFAULT 0,
    expires      timestamptz NOT NULL DEFAULT '-infinity',
    held         bigint NOT NULL DEFAULT 0,
    ahead        bigint NOT NULL DEFAULT 0, -- settled behind one that is not
    PRIMARY KEY (subscription, partition)
) WITH (fillfactor = 10);

CREATE TABLE {{schema}}.consumers (
    subscription integer NOT NULL REFERENCES {{schema}}.subscriptions,
    name         text NOT NULL COLLATE "C",
    expires      timestamptz NOT NULL,
    PRIMARY KEY (subscription, name)
) WITH (fillfactor = 10);

CREATE TABLE {{schema}}.inbox (
    consumer text NOT NULL COLLATE "C",
    message  bytea NOT NULL, -- a UUID as 16 bytes, any other id as a zero byte and its text
    revision integer NOT NULL,
    time     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer, message, revision)
);
CREATE INDEX inbox_time ON {{schema}}.inbox (time);
