-- Queues whose tables become members of the extension, as version 1.5.1 does it, the queue's sequence, too.
ALTER SCHEMA @extschema@ OWNER TO supabase_admin;
CREATE TABLE pgmq.meta (
  queue_name varchar NOT NULL UNIQUE,
  is_partitioned boolean NOT NULL,
  is_unlogged boolean NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now());
CREATE TYPE pgmq.message_record AS (
  msg_id bigint, read_ct integer, enqueued_at timestamptz, vt timestamptz, message jsonb, headers jsonb);
CREATE TYPE pgmq.queue_record AS (queue_name varchar, is_partitioned boolean, is_unlogged boolean, created_at timestamptz);
GRANT USAGE ON SCHEMA pgmq TO pg_monitor;
GRANT SELECT ON pgmq.meta TO pg_monitor;
ALTER DEFAULT PRIVILEGES IN SCHEMA pgmq GRANT SELECT ON TABLES TO pg_monitor;
ALTER DEFAULT PRIVILEGES IN SCHEMA pgmq GRANT SELECT ON SEQUENCES TO pg_monitor;

CREATE FUNCTION pgmq.create(queue_name text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('CREATE TABLE pgmq.%I (
    msg_id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY, read_ct integer NOT NULL DEFAULT 0,
    enqueued_at timestamptz NOT NULL DEFAULT now(), vt timestamptz NOT NULL, message jsonb, headers jsonb)', 'q_' || queue_name);
  EXECUTE format('CREATE TABLE pgmq.%I (
    msg_id bigint PRIMARY KEY, read_ct integer NOT NULL DEFAULT 0, enqueued_at timestamptz NOT NULL DEFAULT now(),
    archived_at timestamptz NOT NULL DEFAULT now(), vt timestamptz NOT NULL, message jsonb, headers jsonb)', 'a_' || queue_name);
  EXECUTE format('CREATE INDEX %I ON pgmq.%I (vt ASC)', 'q_' || queue_name || '_vt_idx', 'q_' || queue_name);
  EXECUTE format('CREATE INDEX %I ON pgmq.%I (archived_at)', 'archived_at_idx_' || queue_name, 'a_' || queue_name);
  EXECUTE format('ALTER EXTENSION pgmq ADD TABLE pgmq.%I', 'q_' || queue_name);
  EXECUTE format('ALTER EXTENSION pgmq ADD TABLE pgmq.%I', 'a_' || queue_name);
  EXECUTE format('ALTER EXTENSION pgmq ADD SEQUENCE pgmq.%I', 'q_' || queue_name || '_msg_id_seq');
  INSERT INTO pgmq.meta (queue_name, is_partitioned, is_unlogged) VALUES (queue_name, false, false);
END
$$;
CREATE FUNCTION pgmq.send(queue_name text, msg jsonb) RETURNS SETOF bigint LANGUAGE plpgsql AS $$
BEGIN
  RETURN QUERY EXECUTE format('INSERT INTO pgmq.%I (vt, message) VALUES (now(), $1) RETURNING msg_id', 'q_' || queue_name)
    USING msg;
END
$$;
CREATE FUNCTION pgmq.read(queue_name text, vt integer, qty integer) RETURNS SETOF pgmq.message_record LANGUAGE plpgsql AS $$
BEGIN
  RETURN QUERY EXECUTE format('UPDATE pgmq.%I q SET vt = now() + make_interval(secs => $1), read_ct = read_ct + 1
    WHERE msg_id IN (SELECT msg_id FROM pgmq.%1$I WHERE vt <= now() ORDER BY msg_id LIMIT $2)
    RETURNING q.msg_id, q.read_ct, q.enqueued_at, q.vt, q.message, q.headers', 'q_' || queue_name) USING vt, qty;
END
$$;
CREATE FUNCTION pgmq.archive(queue_name text, msg_id bigint) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  moved bigint;
BEGIN
  EXECUTE format('WITH gone AS (DELETE FROM pgmq.%I q WHERE q.msg_id = $1 RETURNING *)
    INSERT INTO pgmq.%I (msg_id, read_ct, enqueued_at, vt, message, headers)
    SELECT msg_id, read_ct, enqueued_at, vt, message, headers FROM gone RETURNING msg_id', 'q_' || queue_name, 'a_' || queue_name)
    INTO moved USING msg_id;
  RETURN moved IS NOT NULL;
END
$$;
CREATE FUNCTION pgmq.list_queues() RETURNS SETOF pgmq.queue_record LANGUAGE sql AS $$
  select queue_name, is_partitioned, is_unlogged, created_at from pgmq.meta
$$;
CREATE FUNCTION pgmq.drop_queue(queue_name text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('ALTER EXTENSION pgmq DROP TABLE pgmq.%I', 'q_' || queue_name);
  EXECUTE format('ALTER EXTENSION pgmq DROP TABLE pgmq.%I', 'a_' || queue_name);
  EXECUTE format('ALTER EXTENSION pgmq DROP SEQUENCE pgmq.%I', 'q_' || queue_name || '_msg_id_seq');
  EXECUTE format('DROP TABLE pgmq.%I, pgmq.%I', 'q_' || queue_name, 'a_' || queue_name);
  DELETE FROM pgmq.meta m WHERE m.queue_name = drop_queue.queue_name;
  RETURN true;
END
$$;
