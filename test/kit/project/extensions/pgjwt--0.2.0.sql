CREATE FUNCTION url_encode(data bytea) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  select translate(encode(data, 'base64'), E'+/=\n', '-_')
$$;
CREATE FUNCTION url_decode(data text) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
  select decode(rpad(translate(data, '-_', '+/'), (length(data) + 3) / 4 * 4, '='), 'base64')
$$;
CREATE FUNCTION algorithm_sign(signables text, secret text, algorithm text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  select @extschema@.url_encode(
    @extschema@.hmac(signables, secret, case algorithm when 'HS384' then 'sha384' when 'HS512' then 'sha512' else 'sha256' end))
$$;
CREATE FUNCTION sign(payload json, secret text, algorithm text DEFAULT 'HS256') RETURNS text LANGUAGE sql IMMUTABLE AS $$
  with head as (
    select @extschema@.url_encode(convert_to(format('{"alg":"%s","typ":"JWT"}', algorithm), 'utf8')) || '.'
      || @extschema@.url_encode(convert_to(payload::text, 'utf8')) as signables)
  select signables || '.' || @extschema@.algorithm_sign(signables, secret, algorithm) from head
$$;
CREATE FUNCTION try_cast_double(inp text) RETURNS double precision LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  RETURN inp::double precision;
EXCEPTION WHEN invalid_text_representation THEN
  RETURN NULL;
END
$$;
CREATE FUNCTION verify(token text, secret text, algorithm text DEFAULT 'HS256')
RETURNS TABLE (header json, payload json, valid boolean) LANGUAGE sql IMMUTABLE AS $$
  select convert_from(@extschema@.url_decode(part[1]), 'utf8')::json, convert_from(@extschema@.url_decode(part[2]), 'utf8')::json,
    part[3] = @extschema@.algorithm_sign(part[1] || '.' || part[2], secret, algorithm)
  from string_to_array(token, '.') part
$$;
