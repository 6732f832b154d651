-- An application that is made in the ways that dumps stumble over. Run by postgres.

SET client_min_messages = warning;

CREATE SCHEMA kit;
CREATE EXTENSION unaccent WITH SCHEMA kit;
CREATE EXTENSION citext WITH SCHEMA public;
CREATE SCHEMA "Work Shop";

-- Names that only a search_path finds, in places that are computed while rows come in.
CREATE FUNCTION kit.plain(value text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN lower(unaccent(value)); END $$;
CREATE FUNCTION public.is_word(value text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN half(value) <> ''; END $$;
CREATE FUNCTION public.half(value text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ select left(value, (length(value) + 1) / 2) $$;
ALTER ROLE postgres SET search_path = "\$user", public, extensions, kit;
SET search_path = public, extensions, kit;
CREATE DOMAIN public.word AS text CHECK (public.is_word(VALUE));
CREATE TABLE public.places (
  id integer PRIMARY KEY,
  name public.word NOT NULL,
  plain text GENERATED ALWAYS AS (kit.plain(name)) STORED,
  CONSTRAINT places_name_plain CHECK (kit.plain(name) <> 'nowhere'));
CREATE INDEX places_plain_idx ON public.places (kit.plain(name));
INSERT INTO public.places (id, name) SELECT n, 'Café Größe ' || n FROM generate_series(1, 40) n;

-- What the order of letters decides.
CREATE TABLE public.ranges (low text, high text, loud text GENERATED ALWAYS AS (upper(low)) STORED, CHECK (low <= high));
INSERT INTO public.ranges VALUES ('apple', 'Banana'), ('straße', 'Zebra');

-- Partitions: by the hash of an enum, and of two levels with a trigger that is off on one of them.
CREATE TYPE public.state AS ENUM ('new', 'open', 'held', 'done', 'gone');
CREATE TABLE public.tasks (id integer, state public.state, title text) PARTITION BY HASH (state);
CREATE TABLE public.tasks_0 PARTITION OF public.tasks FOR VALUES WITH (MODULUS 3, REMAINDER 0);
CREATE TABLE public.tasks_1 PARTITION OF public.tasks FOR VALUES WITH (MODULUS 3, REMAINDER 1);
CREATE TABLE public.tasks_2 PARTITION OF public.tasks FOR VALUES WITH (MODULUS 3, REMAINDER 2);
INSERT INTO public.tasks SELECT n, (enum_range(null::public.state))[1 + n % 5], 'task ' || n FROM generate_series(1, 100) n;
CREATE TABLE public.visits (id integer, region text, at date) PARTITION BY RANGE (id);
CREATE TABLE public.visits_low PARTITION OF public.visits FOR VALUES FROM (0) TO (50) PARTITION BY LIST (region);
CREATE TABLE public.visits_low_north PARTITION OF public.visits_low FOR VALUES IN ('north');
CREATE TABLE public.visits_low_rest PARTITION OF public.visits_low DEFAULT;
CREATE TABLE public.visits_high PARTITION OF public.visits FOR VALUES FROM (50) TO (1000);
CREATE FUNCTION public.note_visit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER noted AFTER INSERT ON public.visits FOR EACH ROW EXECUTE FUNCTION public.note_visit();
ALTER TABLE public.visits_low_north DISABLE TRIGGER noted;
INSERT INTO public.visits SELECT n, CASE WHEN n % 2 = 0 THEN 'north' ELSE 'south' END, '2026-11-01' FROM generate_series(1, 90) n;

-- Rows that the rules of today would refuse.
CREATE TABLE public.limits (kind text PRIMARY KEY, most integer NOT NULL);
CREATE FUNCTION public.within(kind text, amount integer) RETURNS boolean LANGUAGE sql STABLE AS $$
  select amount <= (select most from public.limits l where l.kind = within.kind)
$$;
CREATE TABLE public.bookings (id integer PRIMARY KEY, kind text, amount integer, CHECK (public.within(kind, amount)));
INSERT INTO public.limits VALUES ('table', 10);
INSERT INTO public.bookings VALUES (1, 'table', 4), (2, 'table', 10);
UPDATE public.limits SET most = 8;
CREATE TABLE public.owners (id integer PRIMARY KEY);
CREATE TABLE public.tools (id integer PRIMARY KEY, owner integer REFERENCES public.owners);
INSERT INTO public.owners VALUES (1);
INSERT INTO public.tools VALUES (1, 1);
SET session_replication_role = replica;
INSERT INTO public.tools VALUES (2, 99);
RESET session_replication_role;
CREATE FUNCTION public.shout(value text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ select value || '!' $$;
CREATE TABLE public.calls (id integer PRIMARY KEY, word text, loud text GENERATED ALWAYS AS (public.shout(word)) STORED);
INSERT INTO public.calls VALUES (1, 'hey');
CREATE OR REPLACE FUNCTION public.shout(value text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ select value || '!!' $$;

-- A child that got a column of its parent later.
CREATE TABLE public.parents (id integer);
CREATE TABLE public.children (name text) INHERITS (public.parents);
ALTER TABLE public.parents ADD COLUMN late integer;
INSERT INTO public.children (id, name, late) VALUES (1, 'one', 2);

-- Who sees what hangs on a setting, the time and the session.
CREATE TABLE public.doors (id integer PRIMARY KEY, opens_until timestamptz);
INSERT INTO public.doors SELECT n, '2026-01-01'::timestamptz + n * interval '40 days' FROM generate_series(1, 20) n;
ALTER TABLE public.doors ENABLE ROW LEVEL SECURITY;
CREATE POLICY "open now" ON public.doors FOR SELECT USING (
  current_setting('app.settings.mode', true) = 'open' AND opens_until > now() AND session_user <> 'nobody');
GRANT SELECT ON public.doors TO anon;

-- A queue as older tools of the platform leave it: its tables taken out of the extension again.
CREATE EXTENSION pgmq VERSION '1.4.4';
SELECT pgmq.create('kept');
SELECT pgmq.send('kept', '{"n": 1}') FROM generate_series(1, 5);
SELECT pgmq.create('loose');
SELECT pgmq.send('loose', '{"n": 1}') FROM generate_series(1, 4);
ALTER EXTENSION pgmq DROP TABLE pgmq.q_loose;
ALTER EXTENSION pgmq DROP TABLE pgmq.a_loose;
