-- What an application of the platform makes: users, files' rows, queues, jobs, secrets, roles. Run by postgres.

SET client_min_messages = warning;

CREATE ROLE shop_reader NOLOGIN;
CREATE ROLE shop_worker LOGIN CONNECTION LIMIT 5 PASSWORD 'worker-password';
GRANT shop_reader TO shop_worker;
GRANT authenticated TO shop_reader;
ALTER ROLE shop_worker SET search_path = shop, public, extensions;

CREATE EXTENSION pg_cron;
CREATE EXTENSION pg_net;
CREATE EXTENSION pgmq;
CREATE EXTENSION hstore WITH SCHEMA extensions;
CREATE EXTENSION pg_trgm WITH SCHEMA extensions;

CREATE SCHEMA shop;
GRANT USAGE ON SCHEMA shop TO authenticated, shop_reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA shop GRANT SELECT ON TABLES TO shop_reader;
-- The application opens functions one by one.
ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE EXECUTE ON FUNCTIONS FROM anon;

CREATE TABLE public.profiles (
  id uuid PRIMARY KEY REFERENCES auth.users ON DELETE CASCADE,
  handle text NOT NULL UNIQUE,
  attributes extensions.hstore DEFAULT '',
  seen_at timestamptz);
ALTER TABLE public.profiles ENABLE ROW LEVEL SECURITY;
CREATE POLICY "profiles are public" ON public.profiles FOR SELECT USING (true);
CREATE POLICY "own profile" ON public.profiles FOR UPDATE TO authenticated USING ((SELECT auth.uid()) = id);
CREATE FUNCTION public.make_profile() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
  INSERT INTO public.profiles (id, handle) VALUES (NEW.id, pg_catalog.split_part(NEW.email, '@', 1));
  RETURN NEW;
END
$$;
CREATE TRIGGER user_gets_profile AFTER INSERT ON auth.users FOR EACH ROW EXECUTE FUNCTION public.make_profile();

INSERT INTO auth.users (id, email, raw_user_meta_data, created_at)
SELECT md5('user ' || n)::uuid, format('person-%s@example.com', n), jsonb_build_object('n', n), '2026-10-01 08:00:00+00'
FROM generate_series(1, 30) n;
INSERT INTO auth.identities (provider_id, user_id, identity_data, provider)
SELECT id::text, id, jsonb_build_object('email', email), 'email' FROM auth.users;

CREATE TABLE shop.orders (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  buyer uuid NOT NULL REFERENCES public.profiles,
  total numeric(10, 2) NOT NULL CHECK (total >= 0),
  note text,
  placed_at timestamptz NOT NULL DEFAULT now(),
  paid_until timestamptz);
CREATE INDEX orders_note_idx ON shop.orders USING gin (note extensions.gin_trgm_ops);
CREATE FUNCTION shop.is_paid(until timestamptz) RETURNS boolean LANGUAGE sql STABLE AS $$ select until > now() $$;
ALTER TABLE shop.orders ENABLE ROW LEVEL SECURITY;
CREATE POLICY "paid orders" ON shop.orders FOR SELECT TO authenticated, anon USING (shop.is_paid(paid_until));
GRANT SELECT ON shop.orders TO authenticated;
INSERT INTO shop.orders (buyer, total, note, placed_at, paid_until)
SELECT md5('user ' || 1 + n % 30)::uuid, n * 1.25, 'order ' || n, '2026-10-02 08:00:00+00'::timestamptz + n * interval '1 hour',
  CASE WHEN n % 2 = 0 THEN now() + interval '1 year' ELSE now() - interval '1 day' END
FROM generate_series(1, 200) n;
CREATE MATERIALIZED VIEW shop.turnover AS SELECT buyer, sum(total) AS total FROM shop.orders GROUP BY buyer;
CREATE VIEW public.open_orders WITH (security_invoker = on) AS SELECT id, total FROM shop.orders WHERE paid_until IS NULL;
ALTER PUBLICATION supabase_realtime ADD TABLE public.profiles, shop.orders;

INSERT INTO storage.buckets (id, name, public) VALUES ('avatars', 'avatars', true), ('papers', 'papers', false);
INSERT INTO storage.objects (bucket_id, name, owner_id, metadata, version)
SELECT 'avatars', u.id || '/face.png', u.id::text, '{"size": 10, "mimetype": "image/png"}', md5(u.id::text) FROM auth.users u;

SELECT pgmq.create('letters');
SELECT pgmq.send('letters', jsonb_build_object('to', n)) FROM generate_series(1, 12) n;
SELECT pgmq.archive('letters', 3);
SELECT pgmq.create('quiet');
SELECT vault.create_secret('secret-value-of-payments', 'payments', 'key of the payment service');
SELECT vault.create_secret('secret-value-without-name');
SELECT cron.schedule('tidy', '0 3 * * *', $$delete from shop.orders where total = 0$$);
SELECT cron.schedule('call home', '*/5 * * * *', $$select net.http_post('https://example.com/hook')$$);
