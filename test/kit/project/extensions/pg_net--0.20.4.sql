CREATE SCHEMA net;
CREATE DOMAIN net.http_method AS text CHECK (VALUE ILIKE 'get' OR VALUE ILIKE 'post' OR VALUE ILIKE 'delete');
CREATE TYPE net.request_status AS ENUM ('PENDING', 'SUCCESS', 'ERROR');
CREATE TYPE net.http_response AS (status_code integer, headers jsonb, body text);
CREATE TYPE net.http_response_result AS (status net.request_status, message text, response net.http_response);

CREATE UNLOGGED TABLE net.http_request_queue (
  id bigserial,
  method net.http_method NOT NULL,
  url text NOT NULL,
  headers jsonb,
  body bytea,
  timeout_milliseconds integer NOT NULL);
CREATE UNLOGGED TABLE net._http_response (
  id bigint, status_code integer, content_type text, headers jsonb, content text, timed_out boolean, error_msg text,
  created timestamptz NOT NULL DEFAULT now());
CREATE INDEX _http_response_created_idx ON net._http_response (created);

CREATE FUNCTION net._urlencode_string(string varchar) RETURNS text LANGUAGE sql IMMUTABLE AS $$ select string::text $$;
CREATE FUNCTION net._encode_url_with_params_array(url text, params_array text[]) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS $$
  select url || '?' || array_to_string(params_array, '&')
$$;
CREATE FUNCTION net.worker_restart() RETURNS boolean LANGUAGE sql AS $$ select true $$;
CREATE FUNCTION net.wait_until_running() RETURNS void LANGUAGE sql AS $$ select $$;
CREATE FUNCTION net.wake() RETURNS void LANGUAGE sql AS $$ select $$;
CREATE FUNCTION net.check_worker_is_up() RETURNS void LANGUAGE sql AS $$ select $$;
CREATE FUNCTION net._await_response(request_id bigint) RETURNS boolean LANGUAGE sql AS $$
  select exists (select from net._http_response where id = request_id)
$$;
CREATE FUNCTION net._http_collect_response(request_id bigint, async boolean DEFAULT true) RETURNS net.http_response_result
LANGUAGE sql AS $$ select ('PENDING', 'stand-in', null)::net.http_response_result $$;
CREATE FUNCTION net.http_collect_response(request_id bigint, async boolean DEFAULT true) RETURNS net.http_response_result
LANGUAGE sql AS $$ select net._http_collect_response(request_id, async) $$;
CREATE FUNCTION net.http_get(url text, params jsonb DEFAULT '{}', headers jsonb DEFAULT '{}', timeout_milliseconds integer DEFAULT 5000)
RETURNS bigint LANGUAGE sql AS $$
  insert into net.http_request_queue (method, url, headers, timeout_milliseconds)
  values ('GET', http_get.url, http_get.headers, http_get.timeout_milliseconds) returning id
$$;
CREATE FUNCTION net.http_post(
  url text, body jsonb DEFAULT '{}', params jsonb DEFAULT '{}', headers jsonb DEFAULT '{"Content-Type": "application/json"}',
  timeout_milliseconds integer DEFAULT 5000)
RETURNS bigint LANGUAGE sql AS $$
  insert into net.http_request_queue (method, url, headers, body, timeout_milliseconds)
  values ('POST', http_post.url, http_post.headers, convert_to(http_post.body::text, 'utf8'), http_post.timeout_milliseconds)
  returning id
$$;
CREATE FUNCTION net.http_delete(
  url text, params jsonb DEFAULT '{}', headers jsonb DEFAULT '{}', timeout_milliseconds integer DEFAULT 5000, body jsonb DEFAULT NULL)
RETURNS bigint LANGUAGE sql AS $$
  insert into net.http_request_queue (method, url, headers, timeout_milliseconds)
  values ('DELETE', http_delete.url, http_delete.headers, http_delete.timeout_milliseconds) returning id
$$;
GRANT USAGE ON SCHEMA net TO PUBLIC;
GRANT ALL ON SEQUENCE net.http_request_queue_id_seq TO PUBLIC;
GRANT ALL ON net.http_request_queue, net._http_response TO PUBLIC;
