CREATE FUNCTION graphql.resolve(query text, variables jsonb DEFAULT '{}', "operationName" text DEFAULT NULL, extensions jsonb DEFAULT NULL)
RETURNS jsonb LANGUAGE sql STABLE AS $$ select jsonb_build_object('data', null) $$;
CREATE SEQUENCE graphql.seq_schema_version CYCLE;
CREATE FUNCTION graphql.get_schema_version() RETURNS integer LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
  select last_value::integer from graphql.seq_schema_version
$$;
CREATE FUNCTION graphql.increment_schema_version() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  PERFORM pg_catalog.nextval('graphql.seq_schema_version');
END
$$;
CREATE EVENT TRIGGER graphql_watch_ddl ON ddl_command_end EXECUTE FUNCTION graphql.increment_schema_version();
CREATE EVENT TRIGGER graphql_watch_drop ON sql_drop EXECUTE FUNCTION graphql.increment_schema_version();
