-- Evaluates a batch of appends and writes the accepted ones, in one call. Arrays with the prefix a_ have an element for each append,
-- c_ for each distinct command id, e_ for each event, m_ for each range a condition searches, t_ for each tag of an event, b_ for
-- each event of the batch that would break a condition of a later append. Indexes count from 1; 0 means none.
--
-- Verdicts: 0 appended, 1 duplicate, 2 command id used with other content, 3 stream version (last is the actual one), 4 condition
-- (first is the position of an event that breaks it). 5 is the only row and says that all were appended, from first on.
--
-- An array e_version that is not empty says that nothing in the batch depends on anything else in it, if each stream has the version
-- that s_expect says: what the versions of the events then are. Such a batch, the common one, is written without being gone through.
CREATE FUNCTION {{schema}}.append(
    session uuid, number bigint, given_up bigint[],
    streams text[], s_expect bigint[], e_version bigint[], a_stream integer[], a_expect bigint[],
    c_id text[], a_command integer[], a_digest bytea[],
    a_after bigint[], a_everything boolean[], b_append integer[], b_event integer[],
    m_append integer[], m_tag text[], m_type integer[], m_rest_from integer[], m_rest_to integer[], rest text[],
    m_types_from integer[], m_types_to integer[], types integer[],
    e_append integer[], e_stream text[], e_type integer[], e_id bytea[], e_time bigint[], e_metadata bytea[], e_payload bytea[],
    t_event integer[], t_tag text[]
) RETURNS TABLE (verdict integer, first bigint, last bigint, version bigint)
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
<<batch>>
DECLARE
    head       bigint;
    before     bigint;
    appends    integer := coalesce(array_length(a_stream, 1), 0);
    events     integer := coalesce(array_length(e_append, 1), 0);
    versions   bigint[];
    hits       bigint[];
    known      bigint[] := array_fill(0::bigint, ARRAY[coalesce(array_length(c_id, 1), 0)]);
    digests    bytea[] := array_fill(''::bytea, ARRAY[coalesce(array_length(c_id, 1), 0)]);
    lasts      bigint[] := known;
    counts     bigint[] := known;
    positions  bigint[] := array_fill(0::bigint, ARRAY[events]);
    places     bigint[] := positions;
    e          integer := 1;
    b          integer := 1;
    blockers   integer := coalesce(array_length(b_append, 1), 0);
    s          integer;
    c          integer;
    hit        bigint;
    found      record;
    accepted   boolean := false;
    moved      boolean := e_version <> '{}';
BEGIN
    IF moved THEN
        UPDATE {{schema}}.log l SET head = l.head + events RETURNING l.head - events INTO head;
        IF EXISTS (SELECT FROM {{schema}}.givenup g WHERE g.session = append.session AND g.number = append.number) OR EXISTS (
            SELECT FROM unnest(streams, s_expect) u (name, expect)
            WHERE u.expect <> coalesce((SELECT max(v.version) FROM {{schema}}.events v WHERE v.stream = u.name), 0)
        ) THEN
            accepted := false;
        ELSE
            accepted := true;
            IF m_append <> '{}' THEN
                accepted := NOT EXISTS (
                    SELECT FROM unnest(m_append, m_tag, m_type, m_rest_from, m_rest_to, m_types_from, m_types_to)
                        m (append, tag, type, rest_from, rest_to, types_from, types_to)
                    WHERE CASE WHEN m.tag <> '' THEN EXISTS (SELECT FROM {{schema}}.tags t
                        WHERE t.tag = m.tag AND t.position > a_after[m.append]
                            AND (m.types_to < m.types_from OR t.type = ANY (types[m.types_from:m.types_to]))
                            AND NOT EXISTS (SELECT FROM unnest(rest[m.rest_from:m.rest_to]) r (tag)
                                WHERE NOT EXISTS (SELECT FROM {{schema}}.tags o WHERE o.tag = r.tag AND o.position = t.position)))
                    ELSE EXISTS (SELECT FROM {{schema}}.events v WHERE v.type = m.type AND v.position > a_after[m.append]) END
                );
            END IF;
        END IF;
        IF accepted THEN
            INSERT INTO {{schema}}.events (position, version, time, type, stream, id, metadata, payload)
                SELECT batch.head + n.nth, nullif(n.version, 0), n.time, n.type, nullif(n.stream, ''), n.id, n.metadata, n.payload
                FROM unnest(e_version, e_time, e_type, e_stream, e_id, e_metadata, e_payload) WITH ORDINALITY
                    n (version, time, type, stream, id, metadata, payload, nth);
            IF t_event <> '{}' THEN
                INSERT INTO {{schema}}.tags (tag, position, type)
                    SELECT n.tag, batch.head + n.event, e_type[n.event] FROM unnest(t_event, t_tag) n (event, tag);
            END IF;
            verdict := 5;
            first := head + 1;
            last := head + events;
            version := 0;
            RETURN NEXT;
            RETURN;
        END IF;
        -- What is wrong is found out below.
    ELSE
        SELECT l.head INTO head FROM {{schema}}.log l FOR UPDATE;
    END IF;
    before := head;
    IF given_up <> '{}' THEN
        DELETE FROM {{schema}}.givenup g WHERE g.at < now() - interval '1 day';
        INSERT INTO {{schema}}.givenup (session, number) SELECT append.session, unnest(given_up) ON CONFLICT DO NOTHING;
        UPDATE {{schema}}.log l SET givenup = l.givenup + 1;
    END IF;
    IF EXISTS (SELECT FROM {{schema}}.givenup g WHERE g.session = append.session AND g.number = append.number) THEN
        RAISE EXCEPTION 'carillon: the caller has given this append up' USING ERRCODE = 'CR001';
    END IF;

    IF streams <> '{}' THEN
        SELECT array_agg(coalesce((SELECT max(v.version) FROM {{schema}}.events v WHERE v.stream = u.name), 0) ORDER BY u.place)
            INTO versions FROM unnest(streams) WITH ORDINALITY u (name, place);
    END IF;
    IF c_id <> '{}' THEN
        FOR found IN
            SELECT u.place::integer AS place, k.* FROM unnest(c_id) WITH ORDINALITY u (id, place)
            JOIN {{schema}}.commands k ON k.id = u.id
        LOOP
            known[found.place] := found.first;
            lasts[found.place] := found.last;
            counts[found.place] := found.version;
            digests[found.place] := found.digest;
        END LOOP;
    END IF;
    IF m_append <> '{}' THEN
        hits := array_fill(0::bigint, ARRAY[appends]);
        FOR found IN
            SELECT m.append, min(h.position) AS position
            FROM unnest(m_append, m_tag, m_type, m_rest_from, m_rest_to, m_types_from, m_types_to)
                m (append, tag, type, rest_from, rest_to, types_from, types_to)
            CROSS JOIN LATERAL (
                (SELECT t.position FROM {{schema}}.tags t
                WHERE m.tag <> '' AND t.tag = m.tag AND t.position > a_after[m.append]
                    AND (m.types_to < m.types_from OR t.type = ANY (types[m.types_from:m.types_to]))
                    AND NOT EXISTS (SELECT FROM unnest(rest[m.rest_from:m.rest_to]) r (tag)
                        WHERE NOT EXISTS (SELECT FROM {{schema}}.tags o WHERE o.tag = r.tag AND o.position = t.position))
                ORDER BY t.position LIMIT 1)
                UNION ALL
                (SELECT v.position FROM {{schema}}.events v
                WHERE m.tag = '' AND v.type = m.type AND v.position > a_after[m.append] ORDER BY v.position LIMIT 1)
            ) h GROUP BY m.append
        LOOP
            hits[found.append] := found.position;
        END LOOP;
    END IF;

    FOR a IN 1..appends LOOP
        s := a_stream[a];
        c := a_command[a];
        version := 0;
        IF c > 0 AND known[c] > 0 THEN
            first := known[c];
            last := lasts[c];
            version := counts[c];
            verdict := CASE WHEN digests[c] = a_digest[a] THEN 1 ELSE 2 END;
        ELSIF s > 0 AND a_expect[a] >= 0 AND versions[s] <> a_expect[a] THEN
            verdict := 3;
            first := 0;
            last := versions[s];
        ELSE
            hit := 0;
            IF a_after[a] >= 0 THEN
                IF a_everything[a] THEN
                    IF head > a_after[a] THEN
                        hit := a_after[a] + 1;
                    END IF;
                ELSE
                    hit := coalesce(hits[a], 0);
                    WHILE b <= blockers AND b_append[b] < a LOOP
                        b := b + 1;
                    END LOOP;
                    WHILE hit = 0 AND b <= blockers AND b_append[b] = a LOOP
                        IF positions[b_event[b]] > a_after[a] THEN
                            hit := positions[b_event[b]];
                        END IF;
                        b := b + 1;
                    END LOOP;
                END IF;
            END IF;
            IF hit > 0 THEN
                verdict := 4;
                first := hit;
                last := 0;
            ELSE
                verdict := 0;
                accepted := true;
                first := head + 1;
                WHILE e <= events AND e_append[e] < a LOOP
                    e := e + 1;
                END LOOP;
                WHILE e <= events AND e_append[e] = a LOOP
                    head := head + 1;
                    positions[e] := head;
                    IF s > 0 THEN
                        versions[s] := versions[s] + 1;
                        places[e] := versions[s];
                    END IF;
                    e := e + 1;
                END LOOP;
                last := head;
                IF s > 0 THEN
                    version := versions[s];
                END IF;
                IF c > 0 THEN
                    known[c] := first;
                    lasts[c] := last;
                    counts[c] := version;
                    digests[c] := a_digest[a];
                END IF;
            END IF;
        END IF;
        RETURN NEXT;
    END LOOP;

    IF NOT accepted AND NOT moved THEN
        RETURN;
    END IF;
    INSERT INTO {{schema}}.events (position, version, time, type, stream, id, metadata, payload)
        SELECT n.position, nullif(n.place, 0), n.time, n.type, nullif(n.stream, ''), n.id, n.metadata, n.payload
        FROM unnest(positions, places, e_time, e_type, e_stream, e_id, e_metadata, e_payload)
            n (position, place, time, type, stream, id, metadata, payload)
        WHERE n.position > 0;
    IF t_event <> '{}' THEN
        INSERT INTO {{schema}}.tags (tag, position, type)
            SELECT n.tag, positions[n.event], e_type[n.event] FROM unnest(t_event, t_tag) n (event, tag) WHERE positions[n.event] > 0;
    END IF;
    IF c_id <> '{}' THEN
        INSERT INTO {{schema}}.commands (id, digest, first, last, version)
            SELECT n.id, n.digest, n.first, n.last, n.version
            FROM unnest(c_id, digests, known, lasts, counts) n (id, digest, first, last, version)
            WHERE n.first > before;
    END IF;
    UPDATE {{schema}}.log SET head = batch.head;
END
$$;
