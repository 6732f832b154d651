CREATE SCHEMA cron;
CREATE SEQUENCE cron.jobid_seq;
CREATE SEQUENCE cron.runid_seq;
CREATE TABLE cron.job (
  jobid bigint PRIMARY KEY DEFAULT nextval('cron.jobid_seq'),
  schedule text NOT NULL,
  command text NOT NULL,
  nodename text NOT NULL DEFAULT 'localhost',
  nodeport integer NOT NULL DEFAULT inet_server_port(),
  database text NOT NULL DEFAULT current_database(),
  username text NOT NULL DEFAULT CURRENT_USER,
  active boolean NOT NULL DEFAULT true,
  jobname name,
  CONSTRAINT jobname_username_uniq UNIQUE (jobname, username));
CREATE TABLE cron.job_run_details (
  jobid bigint,
  runid bigint PRIMARY KEY DEFAULT nextval('cron.runid_seq'),
  job_pid integer, database text, username text, command text, status text, return_message text,
  start_time timestamptz, end_time timestamptz);
ALTER TABLE cron.job ENABLE ROW LEVEL SECURITY;
ALTER TABLE cron.job_run_details ENABLE ROW LEVEL SECURITY;
CREATE POLICY cron_job_policy ON cron.job USING (username = CURRENT_USER);
CREATE POLICY cron_job_run_details_policy ON cron.job_run_details USING (username = CURRENT_USER);

CREATE FUNCTION cron.job_cache_invalidate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER cron_job_cache_invalidate AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON cron.job
  FOR EACH STATEMENT EXECUTE FUNCTION cron.job_cache_invalidate();
CREATE FUNCTION cron.schedule_in_database(
  job_name text, schedule text, command text, database text, username text DEFAULT NULL, active boolean DEFAULT true)
RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = '' AS $$
  insert into cron.job (jobname, schedule, command, nodeport, database, username, active)
  values (job_name, schedule_in_database.schedule, schedule_in_database.command, 5432, schedule_in_database.database,
    coalesce(schedule_in_database.username, session_user), schedule_in_database.active)
  on conflict on constraint jobname_username_uniq do update set schedule = excluded.schedule, command = excluded.command
  returning jobid
$$;
CREATE FUNCTION cron.schedule(job_name text, schedule text, command text)
RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = '' AS $$
  select cron.schedule_in_database(job_name, schedule, command, current_database())
$$;
CREATE FUNCTION cron.schedule(schedule text, command text)
RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = '' AS $$
  select cron.schedule_in_database(null, schedule, command, current_database())
$$;
CREATE FUNCTION cron.unschedule(job_id bigint) RETURNS boolean LANGUAGE sql SECURITY DEFINER SET search_path = '' AS $$
  with gone as (delete from cron.job where jobid = job_id and username = session_user returning 1) select exists (select from gone)
$$;
CREATE FUNCTION cron.unschedule(job_name name) RETURNS boolean LANGUAGE sql SECURITY DEFINER SET search_path = '' AS $$
  with gone as (delete from cron.job where jobname = job_name and username = session_user returning 1)
  select exists (select from gone)
$$;
CREATE FUNCTION cron.alter_job(
  job_id bigint, schedule text DEFAULT NULL, command text DEFAULT NULL, database text DEFAULT NULL, username text DEFAULT NULL,
  active boolean DEFAULT NULL)
RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = '' AS $$
  update cron.job j set schedule = coalesce(alter_job.schedule, j.schedule), command = coalesce(alter_job.command, j.command),
    active = coalesce(alter_job.active, j.active)
  where j.jobid = alter_job.job_id and j.username = session_user
$$;
REVOKE ALL ON FUNCTION cron.schedule_in_database(text, text, text, text, text, boolean),
  cron.alter_job(bigint, text, text, text, text, boolean) FROM PUBLIC;
GRANT SELECT ON cron.job, cron.jobid_seq, cron.runid_seq TO PUBLIC;
GRANT SELECT, DELETE ON cron.job_run_details TO PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('cron.job', '');
SELECT pg_catalog.pg_extension_config_dump('cron.jobid_seq', '');
SELECT pg_catalog.pg_extension_config_dump('cron.job_run_details', '');
SELECT pg_catalog.pg_extension_config_dump('cron.runid_seq', '');
