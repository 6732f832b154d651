-- The tables of Storage in a new project, as in auth.sql. Functions that only the Storage server calls are empty.

SET client_min_messages = warning;
SET search_path = pg_catalog;
SET ROLE supabase_storage_admin;

CREATE TYPE storage.buckettype AS ENUM ('STANDARD', 'ANALYTICS', 'VECTOR');

CREATE FUNCTION storage.allow_any_operation(expected_operations text[])
RETURNS boolean LANGUAGE sql STABLE AS $$
  select coalesce(current_setting('storage.operation', true) = any (expected_operations), false)
$$;
CREATE FUNCTION storage.allow_only_operation(expected_operation text)
RETURNS boolean LANGUAGE sql STABLE AS $$
  select coalesce(current_setting('storage.operation', true) = expected_operation, false)
$$;
CREATE FUNCTION storage.can_insert_object(bucketid text, name text, owner uuid, metadata jsonb)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO storage.objects (bucket_id, name, owner, metadata) VALUES (bucketid, can_insert_object.name, can_insert_object.owner, can_insert_object.metadata);
  RAISE SQLSTATE 'PT200' USING MESSAGE = 'taken back';
END
$$;
CREATE FUNCTION storage.enforce_bucket_name_length()
RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF length(NEW.name) > 100 THEN
    RAISE EXCEPTION 'The bucket name has % characters, at most 100 are allowed', length(NEW.name);
  END IF;
  RETURN NEW;
END
$$;
CREATE FUNCTION storage.extension(name text)
RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  RETURN reverse(split_part(reverse(name), '.', 1));
END
$$;
CREATE FUNCTION storage.filename(name text)
RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  RETURN (string_to_array(name, '/'))[array_length(string_to_array(name, '/'), 1)];
END
$$;
CREATE FUNCTION storage.foldername(name text)
RETURNS text[] LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  RETURN (string_to_array(name, '/'))[1 : array_length(string_to_array(name, '/'), 1) - 1];
END
$$;
CREATE FUNCTION storage.get_common_prefix(p_key text, p_prefix text, p_delimiter text)
RETURNS text LANGUAGE sql IMMUTABLE AS $$
  select left(p_key, length(p_prefix) + strpos(substr(p_key, length(p_prefix) + 1), p_delimiter))
$$;
CREATE FUNCTION storage.get_size_by_bucket()
RETURNS TABLE(size bigint, bucket_id text) LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN QUERY SELECT sum((o.metadata ->> 'size')::bigint)::bigint, o.bucket_id FROM storage.objects o GROUP BY o.bucket_id;
END
$$;
CREATE FUNCTION storage.list_multipart_uploads_with_delimiter(bucket_id text, prefix_param text, delimiter_param text,
  max_keys integer DEFAULT 100, next_key_token text DEFAULT '', next_upload_token text DEFAULT '')
RETURNS TABLE(key text, id text, created_at timestamp with time zone) LANGUAGE plpgsql AS $$
BEGIN
  RETURN;
END
$$;
CREATE FUNCTION storage.list_objects_with_delimiter(_bucket_id text, prefix_param text, delimiter_param text, max_keys
  integer DEFAULT 100, start_after text DEFAULT '', next_token text DEFAULT '', sort_order text DEFAULT 'asc')
RETURNS TABLE(name text, id uuid, metadata jsonb, updated_at timestamp with time zone, created_at timestamp with time
  zone, last_accessed_at timestamp with time zone) LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN;
END
$$;
CREATE FUNCTION storage.operation()
RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN current_setting('storage.operation', true);
END
$$;
CREATE FUNCTION storage.protect_delete()
RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF coalesce(current_setting('storage.allow_delete_query', true), 'false') <> 'true' THEN
    RAISE EXCEPTION 'Rows of storage are deleted by its API' USING ERRCODE = '42501';
  END IF;
  RETURN NULL;
END
$$;
CREATE FUNCTION storage.search(prefix text, bucketname text, limits integer DEFAULT 100, levels integer DEFAULT 1,
  offsets integer DEFAULT 0, search text DEFAULT '', sortcolumn text DEFAULT 'name', sortorder text DEFAULT 'asc')
RETURNS TABLE(name text, id uuid, updated_at timestamp with time zone, created_at timestamp with time zone,
  last_accessed_at timestamp with time zone, metadata jsonb) LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN;
END
$$;
CREATE FUNCTION storage.search_by_timestamp(p_prefix text, p_bucket_id text, p_limit integer, p_level integer,
  p_start_after text, p_sort_order text, p_sort_column text, p_sort_column_after text)
RETURNS TABLE(key text, name text, id uuid, updated_at timestamp with time zone, created_at timestamp with time zone,
  last_accessed_at timestamp with time zone, metadata jsonb) LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN;
END
$$;
CREATE FUNCTION storage.search_v2(prefix text, bucket_name text, limits integer DEFAULT 100, levels integer DEFAULT 1,
  start_after text DEFAULT '', sort_order text DEFAULT 'asc', sort_column text DEFAULT 'name', sort_column_after text
  DEFAULT '')
RETURNS TABLE(key text, name text, id uuid, updated_at timestamp with time zone, created_at timestamp with time zone,
  last_accessed_at timestamp with time zone, metadata jsonb) LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN;
END
$$;
CREATE FUNCTION storage.update_updated_at_column()
RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.updated_at = now();
  RETURN NEW;
END
$$;

CREATE TABLE storage.buckets (
  id text NOT NULL,
  name text NOT NULL,
  owner uuid,
  created_at timestamptz DEFAULT now(),
  updated_at timestamptz DEFAULT now(),
  public boolean DEFAULT false,
  avif_autodetection boolean DEFAULT false,
  file_size_limit bigint,
  allowed_mime_types text[],
  owner_id text,
  type storage.buckettype DEFAULT 'STANDARD' NOT NULL,
  versioning_status text DEFAULT 'DISABLED' NOT NULL,
  CONSTRAINT buckets_pkey PRIMARY KEY (id),
  CONSTRAINT buckets_versioning_dark_check CHECK ((versioning_status = 'DISABLED'::text)),
  CONSTRAINT buckets_versioning_standard_only_check CHECK (((type = 'STANDARD'::storage.buckettype) OR (versioning_status = 'DISABLED'::text))),
  CONSTRAINT buckets_versioning_status_check CHECK ((versioning_status = ANY (ARRAY['DISABLED'::text, 'ENABLED'::text, 'SUSPENDED'::text]))));
CREATE UNIQUE INDEX bname ON storage.buckets (name);
COMMENT ON COLUMN storage.buckets.owner IS 'Column of the platform';

CREATE TABLE storage.buckets_analytics (
  name text NOT NULL,
  type storage.buckettype DEFAULT 'ANALYTICS' NOT NULL,
  format text DEFAULT 'ICEBERG' NOT NULL,
  created_at timestamptz DEFAULT now() NOT NULL,
  updated_at timestamptz DEFAULT now() NOT NULL,
  id uuid DEFAULT gen_random_uuid() NOT NULL,
  deleted_at timestamptz,
  CONSTRAINT buckets_analytics_pkey PRIMARY KEY (id));
CREATE UNIQUE INDEX buckets_analytics_unique_name_idx ON storage.buckets_analytics (name) WHERE (deleted_at IS NULL);

CREATE TABLE storage.buckets_vectors (
  id text NOT NULL,
  type storage.buckettype DEFAULT 'VECTOR' NOT NULL,
  created_at timestamptz DEFAULT now() NOT NULL,
  updated_at timestamptz DEFAULT now() NOT NULL,
  CONSTRAINT buckets_vectors_pkey PRIMARY KEY (id));

CREATE TABLE storage.iceberg_namespaces (
  id uuid DEFAULT gen_random_uuid() NOT NULL,
  bucket_name text NOT NULL,
  name text COLLATE "C" NOT NULL,
  created_at timestamptz DEFAULT now() NOT NULL,
  updated_at timestamptz DEFAULT now() NOT NULL,
  metadata jsonb DEFAULT '{}' NOT NULL,
  catalog_id uuid NOT NULL,
  CONSTRAINT iceberg_namespaces_pkey PRIMARY KEY (id));
CREATE UNIQUE INDEX idx_iceberg_namespaces_bucket_id ON storage.iceberg_namespaces (catalog_id, name);

CREATE TABLE storage.iceberg_tables (
  id uuid DEFAULT gen_random_uuid() NOT NULL,
  namespace_id uuid NOT NULL,
  bucket_name text NOT NULL,
  name text COLLATE "C" NOT NULL,
  location text NOT NULL,
  created_at timestamptz DEFAULT now() NOT NULL,
  updated_at timestamptz DEFAULT now() NOT NULL,
  remote_table_id text,
  shard_key text,
  shard_id text,
  catalog_id uuid NOT NULL,
  CONSTRAINT iceberg_tables_pkey PRIMARY KEY (id));
CREATE UNIQUE INDEX idx_iceberg_tables_location ON storage.iceberg_tables (location);
CREATE UNIQUE INDEX idx_iceberg_tables_namespace_id ON storage.iceberg_tables (catalog_id, namespace_id, name);

CREATE TABLE storage.migrations (
  id integer NOT NULL,
  name varchar(100) NOT NULL,
  hash varchar(40) NOT NULL,
  executed_at timestamp DEFAULT CURRENT_TIMESTAMP,
  CONSTRAINT migrations_pkey PRIMARY KEY (id),
  CONSTRAINT migrations_name_key UNIQUE (name));

CREATE TABLE storage.objects (
  id uuid DEFAULT gen_random_uuid() NOT NULL,
  bucket_id text,
  name text,
  owner uuid,
  created_at timestamptz DEFAULT now(),
  updated_at timestamptz DEFAULT now(),
  last_accessed_at timestamptz DEFAULT now(),
  metadata jsonb,
  path_tokens text[] GENERATED ALWAYS AS (string_to_array(name, '/')) STORED,
  version text,
  owner_id text,
  user_metadata jsonb,
  archived_at timestamptz,
  is_delete_marker boolean DEFAULT false NOT NULL,
  is_versioned boolean DEFAULT false NOT NULL,
  CONSTRAINT objects_pkey PRIMARY KEY (id));
CREATE UNIQUE INDEX bucketid_objname ON storage.objects (bucket_id, name);
CREATE INDEX idx_objects_bucket_id_name ON storage.objects (bucket_id, name COLLATE "C");
CREATE INDEX idx_objects_bucket_id_name_lower ON storage.objects (bucket_id, lower(name) COLLATE "C");
CREATE INDEX name_prefix_search ON storage.objects (name text_pattern_ops);
COMMENT ON COLUMN storage.objects.owner IS 'Column of the platform';

CREATE TABLE storage.s3_multipart_uploads (
  id text NOT NULL,
  in_progress_size bigint DEFAULT 0 NOT NULL,
  upload_signature text NOT NULL,
  bucket_id text NOT NULL,
  key text COLLATE "C" NOT NULL,
  version text NOT NULL,
  owner_id text,
  created_at timestamptz DEFAULT now() NOT NULL,
  user_metadata jsonb,
  metadata jsonb,
  CONSTRAINT s3_multipart_uploads_pkey PRIMARY KEY (id));
CREATE INDEX idx_multipart_uploads_list ON storage.s3_multipart_uploads (bucket_id, key, created_at);

CREATE TABLE storage.s3_multipart_uploads_parts (
  id uuid DEFAULT gen_random_uuid() NOT NULL,
  upload_id text NOT NULL,
  size bigint DEFAULT 0 NOT NULL,
  part_number integer NOT NULL,
  bucket_id text NOT NULL,
  key text COLLATE "C" NOT NULL,
  etag text NOT NULL,
  owner_id text,
  version text NOT NULL,
  created_at timestamptz DEFAULT now() NOT NULL,
  CONSTRAINT s3_multipart_uploads_parts_pkey PRIMARY KEY (id));

CREATE TABLE storage.vector_indexes (
  id text DEFAULT gen_random_uuid() NOT NULL,
  name text COLLATE "C" NOT NULL,
  bucket_id text NOT NULL,
  data_type text NOT NULL,
  dimension integer NOT NULL,
  distance_metric text NOT NULL,
  metadata_configuration jsonb,
  created_at timestamptz DEFAULT now() NOT NULL,
  updated_at timestamptz DEFAULT now() NOT NULL,
  CONSTRAINT vector_indexes_pkey PRIMARY KEY (id));
CREATE UNIQUE INDEX vector_indexes_name_bucket_id_idx ON storage.vector_indexes (name, bucket_id);

ALTER TABLE storage.iceberg_namespaces ADD CONSTRAINT iceberg_namespaces_catalog_id_fkey FOREIGN KEY (catalog_id)
  REFERENCES storage.buckets_analytics(id) ON DELETE CASCADE;
ALTER TABLE storage.iceberg_tables ADD CONSTRAINT iceberg_tables_catalog_id_fkey FOREIGN KEY (catalog_id) REFERENCES
  storage.buckets_analytics(id) ON DELETE CASCADE;
ALTER TABLE storage.iceberg_tables ADD CONSTRAINT iceberg_tables_namespace_id_fkey FOREIGN KEY (namespace_id) REFERENCES
  storage.iceberg_namespaces(id) ON DELETE CASCADE;
ALTER TABLE storage.objects ADD CONSTRAINT "objects_bucketId_fkey" FOREIGN KEY (bucket_id) REFERENCES storage.buckets(id);
ALTER TABLE storage.s3_multipart_uploads ADD CONSTRAINT s3_multipart_uploads_bucket_id_fkey FOREIGN KEY (bucket_id) REFERENCES storage.buckets(id);
ALTER TABLE storage.s3_multipart_uploads_parts ADD CONSTRAINT s3_multipart_uploads_parts_bucket_id_fkey FOREIGN KEY
  (bucket_id) REFERENCES storage.buckets(id);
ALTER TABLE storage.s3_multipart_uploads_parts ADD CONSTRAINT s3_multipart_uploads_parts_upload_id_fkey FOREIGN KEY
  (upload_id) REFERENCES storage.s3_multipart_uploads(id) ON DELETE CASCADE;
ALTER TABLE storage.vector_indexes ADD CONSTRAINT vector_indexes_bucket_id_fkey FOREIGN KEY (bucket_id) REFERENCES storage.buckets_vectors(id);

ALTER TABLE storage.buckets ENABLE ROW LEVEL SECURITY;
ALTER TABLE storage.buckets_analytics ENABLE ROW LEVEL SECURITY;
ALTER TABLE storage.buckets_vectors ENABLE ROW LEVEL SECURITY;
ALTER TABLE storage.iceberg_namespaces ENABLE ROW LEVEL SECURITY;
ALTER TABLE storage.iceberg_tables ENABLE ROW LEVEL SECURITY;
ALTER TABLE storage.migrations ENABLE ROW LEVEL SECURITY;
ALTER TABLE storage.objects ENABLE ROW LEVEL SECURITY;
ALTER TABLE storage.s3_multipart_uploads ENABLE ROW LEVEL SECURITY;
ALTER TABLE storage.s3_multipart_uploads_parts ENABLE ROW LEVEL SECURITY;
ALTER TABLE storage.vector_indexes ENABLE ROW LEVEL SECURITY;

GRANT ALL ON storage.buckets, storage.buckets_analytics, storage.objects TO anon, authenticated;
GRANT ALL ON storage.buckets, storage.objects TO postgres WITH GRANT OPTION;
GRANT ALL ON storage.buckets, storage.buckets_analytics, storage.iceberg_namespaces, storage.iceberg_tables,
  storage.objects, storage.s3_multipart_uploads, storage.s3_multipart_uploads_parts TO service_role;
GRANT SELECT ON storage.buckets_vectors, storage.iceberg_namespaces, storage.iceberg_tables,
  storage.s3_multipart_uploads, storage.s3_multipart_uploads_parts, storage.vector_indexes TO anon, authenticated;
GRANT SELECT ON storage.buckets_vectors, storage.vector_indexes TO service_role;
GRANT ALL ON storage.migrations TO supabase_storage_admin;
GRANT EXECUTE ON FUNCTION storage.extension(text), storage.filename(text), storage.foldername(text) TO anon,
  authenticated, dashboard_user, postgres, service_role;

CREATE TRIGGER update_objects_updated_at BEFORE UPDATE ON storage.objects
  FOR EACH ROW EXECUTE FUNCTION storage.update_updated_at_column();
CREATE TRIGGER enforce_bucket_name_length_trigger BEFORE INSERT OR UPDATE OF name ON storage.buckets
  FOR EACH ROW EXECUTE FUNCTION storage.enforce_bucket_name_length();
CREATE TRIGGER protect_buckets_delete BEFORE DELETE ON storage.buckets
  FOR EACH STATEMENT EXECUTE FUNCTION storage.protect_delete();
CREATE TRIGGER protect_objects_delete BEFORE DELETE ON storage.objects
  FOR EACH STATEMENT EXECUTE FUNCTION storage.protect_delete();

INSERT INTO storage.migrations (id, name, hash, executed_at)
SELECT n, 'step-' || n, md5(n::text), '2026-09-01 00:00:00' FROM generate_series(0, 63) n;
RESET ROLE;
