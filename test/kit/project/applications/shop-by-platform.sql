-- What the platform lets postgres do in the application shop, and stock PostgreSQL does not. Run by supabase_admin. Variable: database.

SET client_min_messages = warning;

ALTER DATABASE :"database" SET "app.settings.mode" = 'open';
CREATE POLICY "faces are public" ON storage.objects FOR SELECT USING (bucket_id = 'avatars');
CREATE POLICY "own folder" ON storage.objects FOR INSERT TO authenticated
  WITH CHECK (bucket_id = 'avatars' AND (storage.foldername(name))[1] = auth.uid()::text);
CREATE POLICY "own rooms" ON realtime.messages FOR SELECT TO authenticated USING (realtime.topic() = 'room:' || auth.uid());

CREATE FUNCTION public.rls_auto_enable() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = 'pg_catalog' AS $$
DECLARE
  made record;
BEGIN
  FOR made IN SELECT * FROM pg_event_trigger_ddl_commands() WHERE command_tag = 'CREATE TABLE' AND schema_name = 'public'
  LOOP
    EXECUTE format('ALTER TABLE IF EXISTS %s ENABLE ROW LEVEL SECURITY', made.object_identity);
  END LOOP;
END
$$;
ALTER FUNCTION public.rls_auto_enable() OWNER TO postgres;
CREATE EVENT TRIGGER ensure_rls ON ddl_command_end WHEN TAG IN ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO')
  EXECUTE FUNCTION public.rls_auto_enable();
UPDATE pg_catalog.pg_event_trigger SET evtowner = 'postgres'::regrole WHERE evtname = 'ensure_rls';
INSERT INTO pg_catalog.pg_shdepend (dbid, classid, objid, objsubid, refclassid, refobjid, deptype)
SELECT d.oid, 'pg_event_trigger'::regclass, t.oid, 0, 'pg_authid'::regclass, 'postgres'::regrole, 'o'
FROM pg_catalog.pg_event_trigger t, pg_catalog.pg_database d WHERE t.evtname = 'ensure_rls' AND d.datname = current_database();

-- Database Webhooks, switched on in the dashboard.
CREATE SCHEMA supabase_functions AUTHORIZATION supabase_admin;
GRANT USAGE ON SCHEMA supabase_functions TO postgres, anon, authenticated, service_role;
GRANT ALL ON SCHEMA supabase_functions TO supabase_functions_admin;
ALTER DEFAULT PRIVILEGES IN SCHEMA supabase_functions GRANT ALL ON TABLES TO postgres, anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES IN SCHEMA supabase_functions GRANT ALL ON FUNCTIONS TO postgres, anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES IN SCHEMA supabase_functions GRANT ALL ON SEQUENCES TO postgres, anon, authenticated, service_role;
CREATE TABLE supabase_functions.migrations (version text PRIMARY KEY, inserted_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE supabase_functions.hooks (
  id bigserial PRIMARY KEY, hook_table_id integer NOT NULL, hook_name text NOT NULL, created_at timestamptz NOT NULL DEFAULT now(),
  request_id bigint);
INSERT INTO supabase_functions.migrations VALUES ('initial', '2026-09-01'), ('20210809183423_update_grants', '2026-09-01');
CREATE FUNCTION supabase_functions.http_request() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = supabase_functions AS $$
BEGIN
  INSERT INTO supabase_functions.hooks (hook_table_id, hook_name, request_id)
  VALUES (TG_RELID, TG_NAME, net.http_post(TG_ARGV[0], pg_catalog.to_jsonb(NEW)));
  RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION supabase_functions.http_request() FROM PUBLIC;
ALTER TABLE supabase_functions.migrations OWNER TO supabase_functions_admin;
ALTER TABLE supabase_functions.hooks OWNER TO supabase_functions_admin;
ALTER FUNCTION supabase_functions.http_request() OWNER TO supabase_functions_admin;
GRANT supabase_functions_admin TO postgres;
ALTER ROLE supabase_functions_admin SET search_path = supabase_functions;
SET ROLE postgres;
CREATE TRIGGER "orders to crm" AFTER INSERT ON shop.orders FOR EACH ROW
  EXECUTE FUNCTION supabase_functions.http_request('https://example.com/orders', 'POST', '{}', '{}', '1000');
INSERT INTO shop.orders (buyer, total) SELECT id, 7 FROM public.profiles ORDER BY id LIMIT 3;
RESET ROLE;

-- Realtime makes its partitions by itself.
SET ROLE supabase_realtime_admin;
CREATE TABLE realtime.messages_2026_11_30 PARTITION OF realtime.messages FOR VALUES FROM ('2026-11-30') TO ('2026-12-01');
CREATE TABLE realtime.messages_2026_12_01 PARTITION OF realtime.messages FOR VALUES FROM ('2026-12-01') TO ('2026-12-02');
RESET ROLE;
INSERT INTO realtime.messages (topic, extension, payload, inserted_at) VALUES ('room:1', 'broadcast', '{"a": 1}', '2026-12-01 10:00:00');
ANALYZE;
