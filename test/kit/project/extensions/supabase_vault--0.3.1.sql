-- Secrets are encrypted by a key that no dump holds: it hangs on where the server keeps its data. The three functions
-- that only look like the real ones take and give bytes as they do.
CREATE FUNCTION vault._crypto_aead_det_noncegen() RETURNS bytea LANGUAGE sql VOLATILE AS $$
  select decode(replace(gen_random_uuid()::text, '-', ''), 'hex')
$$;
CREATE FUNCTION vault._crypto_aead_det_encrypt(message bytea, additional bytea, key_id bigint, context bytea, nonce bytea)
RETURNS bytea LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  RETURN extensions.encrypt_iv(message, decode(md5(current_setting('data_directory') || current_database()), 'hex'), nonce, 'aes');
END
$$;
CREATE FUNCTION vault._crypto_aead_det_decrypt(message bytea, additional bytea, key_id bigint, context bytea, nonce bytea)
RETURNS bytea LANGUAGE plpgsql IMMUTABLE SECURITY DEFINER SET search_path = '' AS $$
BEGIN
  RETURN extensions.decrypt_iv(message,
    pg_catalog.decode(pg_catalog.md5(pg_catalog.current_setting('data_directory') || pg_catalog.current_database()), 'hex'), nonce, 'aes');
END
$$;

CREATE TABLE vault.secrets (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  name text,
  description text NOT NULL DEFAULT '',
  secret text NOT NULL,
  key_id uuid,
  nonce bytea DEFAULT vault._crypto_aead_det_noncegen(),
  created_at timestamptz NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updated_at timestamptz NOT NULL DEFAULT CURRENT_TIMESTAMP);
CREATE UNIQUE INDEX secrets_name_idx ON vault.secrets (name) WHERE name IS NOT NULL;
COMMENT ON TABLE vault.secrets IS 'Table with encrypted `secret` column for storing sensitive information on disk.';

CREATE VIEW vault.decrypted_secrets AS
  SELECT s.id, s.name, s.description, s.secret,
    convert_from(vault._crypto_aead_det_decrypt(decode(s.secret, 'base64'), convert_to(s.id::text, 'utf8'), 0, 'pgsodium', s.nonce),
      'utf8') COLLATE "C" AS decrypted_secret,
    s.key_id, s.nonce, s.created_at, s.updated_at
  FROM vault.secrets s;

CREATE FUNCTION vault.create_secret(
  new_secret text, new_name text DEFAULT NULL, new_description text DEFAULT '', new_key_id uuid DEFAULT NULL)
RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
  made uuid := pg_catalog.gen_random_uuid();
  chance bytea := vault._crypto_aead_det_noncegen();
BEGIN
  INSERT INTO vault.secrets (id, name, description, secret, nonce)
  VALUES (made, new_name, new_description, pg_catalog.encode(vault._crypto_aead_det_encrypt(
    pg_catalog.convert_to(new_secret, 'utf8'), pg_catalog.convert_to(made::text, 'utf8'), 0, 'pgsodium', chance), 'base64'), chance);
  RETURN made;
END
$$;
CREATE FUNCTION vault.update_secret(
  secret_id uuid, new_secret text DEFAULT NULL, new_name text DEFAULT NULL, new_description text DEFAULT NULL,
  new_key_id uuid DEFAULT NULL)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
  UPDATE vault.secrets s SET
    secret = CASE WHEN new_secret IS NULL THEN s.secret ELSE pg_catalog.encode(vault._crypto_aead_det_encrypt(
      pg_catalog.convert_to(new_secret, 'utf8'), pg_catalog.convert_to(s.id::text, 'utf8'), 0, 'pgsodium', s.nonce), 'base64') END,
    name = coalesce(new_name, s.name),
    description = coalesce(new_description, s.description),
    updated_at = pg_catalog.now()
  WHERE s.id = secret_id;
END
$$;
REVOKE ALL ON FUNCTION vault._crypto_aead_det_noncegen(), vault._crypto_aead_det_encrypt(bytea, bytea, bigint, bytea, bytea),
  vault._crypto_aead_det_decrypt(bytea, bytea, bigint, bytea, bytea), vault.create_secret(text, text, text, uuid),
  vault.update_secret(uuid, text, text, text, uuid) FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('vault.secrets', '');
