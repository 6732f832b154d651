-- The roles of a new project, once a cluster. Run by the bootstrap superuser supabase_admin. Variable: password (of role postgres).

SET client_min_messages = warning;

CREATE ROLE postgres NOSUPERUSER CREATEDB CREATEROLE LOGIN REPLICATION BYPASSRLS PASSWORD :'password';
CREATE ROLE anon NOLOGIN;
CREATE ROLE authenticated NOLOGIN;
CREATE ROLE service_role NOLOGIN BYPASSRLS;
CREATE ROLE authenticator LOGIN NOINHERIT;
CREATE ROLE dashboard_user NOLOGIN CREATEDB CREATEROLE REPLICATION;
CREATE ROLE pgbouncer LOGIN;
CREATE ROLE supabase_auth_admin LOGIN NOINHERIT CREATEROLE;
CREATE ROLE supabase_storage_admin LOGIN NOINHERIT CREATEROLE;
CREATE ROLE supabase_realtime_admin NOLOGIN NOINHERIT;
CREATE ROLE supabase_replication_admin LOGIN REPLICATION;
CREATE ROLE supabase_read_only_user LOGIN BYPASSRLS;
CREATE ROLE supabase_etl_admin LOGIN REPLICATION;
CREATE ROLE supabase_superuser NOLOGIN;
CREATE ROLE pgsodium_keyholder NOLOGIN;
CREATE ROLE pgsodium_keyiduser NOLOGIN;
CREATE ROLE pgsodium_keymaker NOLOGIN;
CREATE ROLE pgtle_admin NOLOGIN;

GRANT pgsodium_keyholder TO pgsodium_keymaker, service_role;
GRANT pgsodium_keyiduser TO pgsodium_keymaker, pgsodium_keyholder;
GRANT pg_monitor, pg_read_all_data, pg_signal_backend, pgtle_admin, supabase_superuser TO postgres;
GRANT supabase_superuser, pg_read_all_data TO supabase_etl_admin;
GRANT anon, authenticated, service_role TO supabase_realtime_admin;
GRANT authenticator TO supabase_storage_admin;

-- From 16 on, only who has the admin option may pass a role on, and the grantor is the one who has it.
SELECT :SERVER_VERSION_NUM >= 160000 AS admin_option \gset
\if :admin_option
GRANT anon, authenticated, service_role TO authenticator;
GRANT pg_read_all_data TO supabase_read_only_user;
GRANT anon, authenticated, service_role, authenticator, pg_monitor, pg_read_all_data, pg_signal_backend TO postgres
  WITH ADMIN OPTION;
GRANT pg_create_subscription TO postgres;
\else
GRANT anon, authenticated, service_role TO postgres;
SET ROLE postgres;
GRANT anon, authenticated, service_role TO authenticator;
GRANT pg_read_all_data TO supabase_read_only_user;
RESET ROLE;
\endif

ALTER ROLE anon SET statement_timeout = '3s';
ALTER ROLE authenticated SET statement_timeout = '8s';
ALTER ROLE authenticator SET session_preload_libraries = supautils;
ALTER ROLE authenticator SET statement_timeout = '8s';
ALTER ROLE authenticator SET lock_timeout = '8s';
ALTER ROLE postgres SET search_path = "\$user", public, extensions;
ALTER ROLE postgres SET session_preload_libraries = supautils;
ALTER ROLE supabase_admin SET search_path = "\$user", public, auth, extensions;
ALTER ROLE supabase_admin SET log_statement = 'none';
ALTER ROLE supabase_auth_admin SET search_path = auth;
ALTER ROLE supabase_auth_admin SET idle_in_transaction_session_timeout = '60000';
ALTER ROLE supabase_auth_admin SET log_statement = 'none';
ALTER ROLE supabase_storage_admin SET search_path = storage;
ALTER ROLE supabase_storage_admin SET log_statement = 'none';
ALTER ROLE supabase_realtime_admin SET search_path = public, extensions, realtime;

GRANT SET ON PARAMETER log_min_messages TO supabase_realtime_admin;
-- The hosted platform lets postgres do this by its library supautils, which this server has not.
GRANT SET ON PARAMETER session_replication_role TO postgres;
