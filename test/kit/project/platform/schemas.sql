-- Schemas and extensions of a new project, before anything is in them. Run by supabase_admin. Variables: database, jwt_secret.

SET client_min_messages = warning;
SET search_path = pg_catalog;

ALTER DATABASE :"database" OWNER TO postgres;
ALTER DATABASE :"database" SET "app.settings.jwt_secret" = :'jwt_secret';
ALTER DATABASE :"database" SET "app.settings.jwt_exp" = '3600';
COMMENT ON DATABASE :"database" IS 'default administrative connection database';

CREATE SCHEMA extensions AUTHORIZATION postgres;
CREATE SCHEMA auth AUTHORIZATION supabase_admin;
CREATE SCHEMA storage AUTHORIZATION supabase_admin;
CREATE SCHEMA realtime AUTHORIZATION supabase_admin;
CREATE SCHEMA vault AUTHORIZATION supabase_admin;
CREATE SCHEMA graphql_public AUTHORIZATION supabase_admin;
CREATE SCHEMA pgbouncer AUTHORIZATION pgbouncer;

CREATE EXTENSION pg_stat_statements WITH SCHEMA extensions;
CREATE EXTENSION "uuid-ossp" WITH SCHEMA extensions;
CREATE EXTENSION pgcrypto WITH SCHEMA extensions;
SELECT :SERVER_VERSION_NUM < 160000 AS has_pgjwt \gset
\if :has_pgjwt
CREATE EXTENSION pgjwt WITH SCHEMA extensions;
\endif
CREATE EXTENSION supabase_vault WITH SCHEMA vault;

GRANT ALL ON DATABASE :"database" TO dashboard_user;
GRANT CREATE ON DATABASE :"database" TO supabase_auth_admin;

GRANT USAGE ON SCHEMA public TO postgres, anon, authenticated, service_role;
GRANT USAGE ON SCHEMA extensions TO anon, authenticated, service_role;
GRANT ALL ON SCHEMA extensions TO dashboard_user;
GRANT USAGE ON SCHEMA auth TO anon, authenticated, service_role, postgres;
GRANT ALL ON SCHEMA auth TO supabase_auth_admin, dashboard_user;
GRANT USAGE ON SCHEMA storage TO anon, authenticated, service_role;
GRANT USAGE ON SCHEMA storage TO postgres WITH GRANT OPTION;
GRANT ALL ON SCHEMA storage TO supabase_storage_admin, dashboard_user;
GRANT USAGE ON SCHEMA realtime TO anon, authenticated, service_role;
GRANT USAGE ON SCHEMA realtime TO postgres WITH GRANT OPTION;
GRANT ALL ON SCHEMA realtime TO supabase_realtime_admin WITH GRANT OPTION;
GRANT USAGE ON SCHEMA graphql_public TO postgres, anon, authenticated, service_role;
GRANT USAGE ON SCHEMA vault TO postgres WITH GRANT OPTION;

CREATE PUBLICATION supabase_realtime;
ALTER PUBLICATION supabase_realtime OWNER TO postgres;

CREATE FUNCTION graphql_public.graphql("operationName" text DEFAULT NULL, query text DEFAULT NULL, variables jsonb DEFAULT NULL, extensions jsonb DEFAULT NULL)
RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  RETURN jsonb_build_object('errors', jsonb_build_array(jsonb_build_object('message', 'pg_graphql is not switched on')));
END
$$;
CREATE FUNCTION pgbouncer.get_auth(p_usename text)
RETURNS TABLE(username text, password text) LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  RETURN QUERY SELECT rolname::text, CASE WHEN rolvaliduntil < now() THEN NULL ELSE rolpassword::text END
    FROM pg_catalog.pg_authid WHERE rolname = p_usename AND rolcanlogin;
END
$$;
REVOKE ALL ON FUNCTION pgbouncer.get_auth(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgbouncer.get_auth(text) TO pgbouncer;
