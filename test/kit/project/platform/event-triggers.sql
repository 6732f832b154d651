-- The event triggers of the platform. Run by supabase_admin, after grants.sql.

SET client_min_messages = warning;
SET search_path = pg_catalog;

CREATE FUNCTION extensions.pgrst_ddl_watch() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
  NOTIFY pgrst, 'reload schema';
END
$$;
CREATE FUNCTION extensions.pgrst_drop_watch() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
  NOTIFY pgrst, 'reload schema';
END
$$;
CREATE FUNCTION extensions.set_graphql_placeholder() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
  RETURN;
END
$$;
CREATE FUNCTION extensions.grant_pg_graphql_access() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
  RETURN;
END
$$;

-- The hosted platform runs CREATE EXTENSION of postgres as supabase_admin, with a script of its own after it (supautils).
-- These two functions stand in for that: they run as their owner, hand every extension to it, and do what those scripts do.
CREATE FUNCTION extensions.grant_pg_cron_access() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
  made record;
  member record;
BEGIN
  FOR made IN
    SELECT e.oid, e.extname, e.extowner FROM pg_catalog.pg_event_trigger_ddl_commands() c
    JOIN pg_catalog.pg_extension e ON e.oid = c.objid AND c.classid = 'pg_catalog.pg_extension'::regclass
  LOOP
    IF made.extname = 'pgmq' THEN
      FOR member IN
        SELECT p.oid::regprocedure::text AS name, 'FUNCTION' AS kind
          FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_proc p ON p.oid = d.objid AND d.classid = 'pg_catalog.pg_proc'::regclass
          WHERE d.refobjid = made.oid AND d.deptype = 'e'
        UNION ALL
        SELECT d.objid::regtype::text, 'TYPE' FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_type t ON t.oid = d.objid
          JOIN pg_catalog.pg_class r ON r.oid = t.typrelid AND r.relkind = 'c'
          WHERE d.classid = 'pg_catalog.pg_type'::regclass AND d.refobjid = made.oid AND d.deptype = 'e'
        UNION ALL SELECT 'pgmq.meta', 'TABLE'
      LOOP
        EXECUTE pg_catalog.format('ALTER %s %s OWNER TO postgres', member.kind, member.name);
      END LOOP;
      GRANT ALL ON SCHEMA pgmq TO postgres WITH GRANT OPTION;
      CONTINUE;
    END IF;
    UPDATE pg_catalog.pg_extension SET extowner = 'supabase_admin'::regrole WHERE oid = made.oid;
    -- The bootstrap superuser is pinned: nothing that it owns is noted as depending on it.
    DELETE FROM pg_catalog.pg_shdepend
      WHERE dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
      AND classid = 'pg_catalog.pg_extension'::regclass AND objid = made.oid AND deptype = 'o';
    IF made.extname = 'pg_cron' THEN
      GRANT USAGE ON SCHEMA cron TO postgres WITH GRANT OPTION;
      ALTER DEFAULT PRIVILEGES FOR ROLE supabase_admin IN SCHEMA cron GRANT ALL ON TABLES TO postgres WITH GRANT OPTION;
      ALTER DEFAULT PRIVILEGES FOR ROLE supabase_admin IN SCHEMA cron GRANT ALL ON FUNCTIONS TO postgres WITH GRANT OPTION;
      ALTER DEFAULT PRIVILEGES FOR ROLE supabase_admin IN SCHEMA cron GRANT ALL ON SEQUENCES TO postgres WITH GRANT OPTION;
      GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA cron TO postgres WITH GRANT OPTION;
      GRANT SELECT ON cron.job TO postgres WITH GRANT OPTION;
      GRANT ALL ON cron.job_run_details TO postgres WITH GRANT OPTION;
    END IF;
  END LOOP;
END
$$;
CREATE FUNCTION extensions.grant_pg_net_access() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
  IF EXISTS (
    SELECT FROM pg_catalog.pg_event_trigger_ddl_commands() c JOIN pg_catalog.pg_extension e ON e.oid = c.objid
    WHERE e.extname = 'pg_net'
  ) THEN
    IF pg_catalog.to_regrole('supabase_functions_admin') IS NULL THEN
      CREATE ROLE supabase_functions_admin LOGIN NOINHERIT CREATEROLE;
    END IF;
    GRANT USAGE ON SCHEMA net TO supabase_functions_admin, postgres, anon, authenticated, service_role;
  END IF;
END
$$;

COMMENT ON FUNCTION extensions.grant_pg_cron_access() IS 'Function of the platform';
COMMENT ON FUNCTION extensions.grant_pg_net_access() IS 'Function of the platform';
COMMENT ON FUNCTION extensions.grant_pg_graphql_access() IS 'Function of the platform';
COMMENT ON FUNCTION extensions.set_graphql_placeholder() IS 'Function of the platform';
CREATE EVENT TRIGGER pgrst_ddl_watch ON ddl_command_end EXECUTE FUNCTION extensions.pgrst_ddl_watch();
CREATE EVENT TRIGGER pgrst_drop_watch ON sql_drop EXECUTE FUNCTION extensions.pgrst_drop_watch();
CREATE EVENT TRIGGER issue_graphql_placeholder ON sql_drop WHEN TAG IN ('DROP EXTENSION')
  EXECUTE FUNCTION extensions.set_graphql_placeholder();
CREATE EVENT TRIGGER issue_pg_graphql_access ON ddl_command_end WHEN TAG IN ('CREATE FUNCTION')
  EXECUTE FUNCTION extensions.grant_pg_graphql_access();
CREATE EVENT TRIGGER issue_pg_cron_access ON ddl_command_end WHEN TAG IN ('CREATE EXTENSION')
  EXECUTE FUNCTION extensions.grant_pg_cron_access();
CREATE EVENT TRIGGER issue_pg_net_access ON ddl_command_end WHEN TAG IN ('CREATE EXTENSION')
  EXECUTE FUNCTION extensions.grant_pg_net_access();

-- These two were made in another way: without what is granted by default, but for their owner with grant option.
REVOKE ALL ON FUNCTION extensions.grant_pg_cron_access(), extensions.grant_pg_net_access() FROM postgres;
GRANT EXECUTE ON FUNCTION extensions.grant_pg_cron_access(), extensions.grant_pg_net_access() TO dashboard_user;
GRANT EXECUTE ON FUNCTION extensions.grant_pg_cron_access(), extensions.grant_pg_net_access() TO supabase_admin WITH GRANT OPTION;
