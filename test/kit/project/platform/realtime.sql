-- What Realtime makes in a new project, as in auth.sql. Functions that only its server calls are empty.

SET client_min_messages = warning;
SET search_path = pg_catalog;
SET ROLE supabase_admin;

CREATE TYPE realtime.action AS ENUM ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'ERROR');
CREATE TYPE realtime.equality_op AS ENUM ('eq', 'neq', 'lt', 'lte', 'gt', 'gte', 'in', 'like', 'ilike', 'is', 'match', 'imatch', 'isdistinct');
CREATE TYPE realtime.user_defined_filter AS (column_name text, op realtime.equality_op, value text, negate boolean);
CREATE TYPE realtime.wal_column AS (name text, type_name text, type_oid oid, value jsonb, is_pkey boolean, is_selectable boolean);
CREATE TYPE realtime.wal_rls AS (wal jsonb, is_rls_enabled boolean, subscription_ids uuid[], errors text[]);

CREATE FUNCTION realtime.apply_rls(wal jsonb, max_record_bytes integer DEFAULT 1024 * 1024)
RETURNS SETOF realtime.wal_rls LANGUAGE plpgsql AS $$
BEGIN
  RETURN;
END
$$;
CREATE FUNCTION realtime.broadcast_changes(topic_name text, event_name text, operation text, table_name text,
  table_schema text, new record, old record, level text DEFAULT 'ROW')
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM realtime.send(jsonb_build_object('table', table_name, 'operation', operation), event_name, topic_name);
END
$$;
CREATE FUNCTION realtime.build_prepared_statement_sql(prepared_statement_name text, entity regclass, columns realtime.wal_column[])
RETURNS text LANGUAGE sql AS $$
  select format('prepare %I as select count(*) from %s', prepared_statement_name, entity)
$$;
CREATE FUNCTION realtime.cast(val text, type_ regtype)
RETURNS jsonb LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  RETURN to_jsonb(val);
END
$$;
CREATE FUNCTION realtime.check_equality_op(op realtime.equality_op, type_ regtype, val_1 text, val_2 text)
RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  RETURN val_1 = val_2;
END
$$;
CREATE FUNCTION realtime.check_equality_op(op realtime.equality_op, type_ regtype, val_1 text, val_2 text, negate boolean)
RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN val_1 = val_2;
END
$$;
CREATE FUNCTION realtime.is_visible_through_filters(columns realtime.wal_column[], filters realtime.user_defined_filter[])
RETURNS boolean LANGUAGE sql STABLE AS $$
  select filters = '{}' or columns <> '{}'
$$;
CREATE FUNCTION realtime.list_changes(publication name, slot_name name, max_changes integer, max_record_bytes integer)
RETURNS TABLE(wal jsonb, is_rls_enabled boolean, subscription_ids uuid[], errors text[], slot_changes_count bigint)
  LANGUAGE sql SET log_min_messages = fatal AS $$
  select null::jsonb, null::boolean, null::uuid[], null::text[], null::bigint where false
$$;
CREATE FUNCTION realtime.quote_wal2json(entity regclass)
RETURNS text LANGUAGE sql IMMUTABLE STRICT AS $$
  select quote_ident(n.nspname) || '.' || quote_ident(c.relname)
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.oid = entity
$$;
CREATE FUNCTION realtime.send(payload jsonb, event text, topic text, private boolean DEFAULT true)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO realtime.messages (payload, event, topic, private, extension)
  VALUES (payload, event, topic, private, 'broadcast');
END
$$;
CREATE FUNCTION realtime.send_binary(payload bytea, event text, topic text, private boolean DEFAULT true)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO realtime.messages (binary_payload, event, topic, private, extension)
  VALUES (payload, event, topic, private, 'broadcast');
END
$$;
CREATE FUNCTION realtime.subscription_check_filters()
RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.claims ->> 'role' IS NULL THEN
    RAISE EXCEPTION 'A subscription takes the claim role';
  END IF;
  RETURN NEW;
END
$$;
CREATE FUNCTION realtime.to_regrole(role_name text)
RETURNS regrole LANGUAGE sql IMMUTABLE AS $$
  select role_name::regrole
$$;
CREATE FUNCTION realtime.topic()
RETURNS text LANGUAGE sql STABLE AS $$
  select nullif(current_setting('realtime.topic', true), '')
$$;
CREATE FUNCTION realtime.wal2json_escape_identifier(name text)
RETURNS text LANGUAGE sql IMMUTABLE STRICT AS $$
  select replace(replace(name, ',', '\,'), ' ', '\ ')
$$;

CREATE TABLE realtime.messages (
  topic text NOT NULL,
  extension text NOT NULL,
  payload jsonb,
  event text,
  private boolean DEFAULT false,
  updated_at timestamp DEFAULT now() NOT NULL,
  inserted_at timestamp DEFAULT now() NOT NULL,
  id uuid DEFAULT gen_random_uuid() NOT NULL,
  binary_payload bytea,
  CONSTRAINT messages_pkey PRIMARY KEY (id, inserted_at)) PARTITION BY RANGE (inserted_at);
CREATE INDEX messages_inserted_at_topic_index ON realtime.messages (inserted_at DESC, topic) WHERE ((extension = 'broadcast') AND (private IS TRUE));

CREATE TABLE realtime.schema_migrations (
  version bigint NOT NULL,
  inserted_at timestamp(0) DEFAULT now(),
  CONSTRAINT schema_migrations_pkey PRIMARY KEY (version));

CREATE TABLE realtime.subscription (
  id bigint GENERATED ALWAYS AS IDENTITY,
  subscription_id uuid NOT NULL,
  entity regclass NOT NULL,
  filters realtime.user_defined_filter[] DEFAULT '{}' NOT NULL,
  claims jsonb NOT NULL,
  claims_role regrole GENERATED ALWAYS AS (realtime.to_regrole(claims ->> 'role')) STORED NOT NULL,
  created_at timestamp DEFAULT timezone('utc', now()) NOT NULL,
  action_filter text DEFAULT '*',
  selected_columns text[],
  CONSTRAINT pk_subscription PRIMARY KEY (id),
  CONSTRAINT subscription_action_filter_check CHECK ((action_filter = ANY (ARRAY['*'::text, 'INSERT'::text, 'UPDATE'::text, 'DELETE'::text]))));
CREATE INDEX ix_realtime_subscription_entity ON realtime.subscription (entity);
CREATE UNIQUE INDEX subscription_subscription_id_entity_filters_action_filter_selec ON realtime.subscription (subscription_id, entity, filters, action_filter, COALESCE(selected_columns, '{}'));

ALTER TABLE realtime.messages ADD CONSTRAINT messages_payload_exclusive CHECK (((payload IS NULL) OR (binary_payload IS NULL))) NOT VALID;

ALTER TABLE realtime.messages ENABLE ROW LEVEL SECURITY;

CREATE TRIGGER tr_check_filters BEFORE INSERT OR UPDATE ON realtime.subscription
  FOR EACH ROW EXECUTE FUNCTION realtime.subscription_check_filters();
INSERT INTO realtime.schema_migrations
SELECT CASE n WHEN 0 THEN 20211116024918 WHEN 80 THEN 20260709120000 ELSE 20211116024918 + n::bigint * 500000000 END, '2026-09-01'
FROM generate_series(0, 80) n;

-- All but the migrations belongs to a role that cannot make it.
DO $$
DECLARE found record;
BEGIN
  FOR found IN
    SELECT format('FUNCTION %s', oid::regprocedure) AS object FROM pg_proc WHERE pronamespace = 'realtime'::regnamespace
    UNION ALL SELECT format('TYPE %s', oid::regtype) FROM pg_type
      WHERE typnamespace = 'realtime'::regnamespace AND (typtype = 'e' OR typname IN ('user_defined_filter', 'wal_column', 'wal_rls'))
    UNION ALL SELECT 'TABLE realtime.messages' UNION ALL SELECT 'TABLE realtime.subscription'
  LOOP
    EXECUTE format('ALTER %s OWNER TO supabase_realtime_admin', found.object);
  END LOOP;
END
$$;

GRANT INSERT, SELECT, UPDATE ON realtime.messages TO anon, authenticated, service_role;
GRANT ALL ON realtime.messages, realtime.schema_migrations, realtime.subscription TO dashboard_user, postgres;
GRANT SELECT ON realtime.subscription TO anon, authenticated, service_role;
GRANT USAGE ON SEQUENCE realtime.subscription_id_seq TO anon, authenticated, service_role;
GRANT ALL ON SEQUENCE realtime.subscription_id_seq TO dashboard_user, postgres;
GRANT EXECUTE ON FUNCTION realtime.apply_rls(jsonb, integer), realtime.build_prepared_statement_sql(text, regclass,
  realtime.wal_column[]), realtime.cast(text, regtype), realtime.check_equality_op(realtime.equality_op, regtype, text,
  text), realtime.check_equality_op(realtime.equality_op, regtype, text, text, boolean),
  realtime.is_visible_through_filters(realtime.wal_column[], realtime.user_defined_filter[]),
  realtime.quote_wal2json(regclass), realtime.subscription_check_filters(), realtime.to_regrole(text) TO anon,
  authenticated, dashboard_user, postgres, service_role;
GRANT EXECUTE ON FUNCTION realtime.broadcast_changes(text, text, text, text, text, record, record, text),
  realtime.list_changes(name, name, integer, integer), realtime.send(jsonb, text, text, boolean),
  realtime.send_binary(bytea, text, text, boolean), realtime.topic(), realtime.wal2json_escape_identifier(text) TO
  dashboard_user, postgres;
RESET ROLE;
