-- What the platform did in the application workshop. Run by supabase_admin. Variable: database.

SET client_min_messages = warning;

ALTER DATABASE :"database" SET "app.settings.mode" = 'open';
ALTER DATABASE :"database" SET timezone = 'Asia/Tokyo';
-- Projects of the time of pgsodium let postgres refer to secrets.
GRANT REFERENCES ON vault.secrets TO postgres;
SET ROLE postgres;
CREATE TABLE public.accounts (id integer PRIMARY KEY, secret_id uuid NOT NULL REFERENCES vault.secrets, also uuid);
INSERT INTO public.accounts (id, secret_id) SELECT n, vault.create_secret('secret-value-' || n, 'account ' || n) FROM generate_series(1, 3) n;
UPDATE public.accounts SET also = secret_id;
CREATE TABLE public.days (id integer PRIMARY KEY, at timestamptz NOT NULL, CHECK (at::date <= '2026-11-02'));
SET timezone = 'Asia/Tokyo';
INSERT INTO public.days VALUES (1, '2026-11-02 23:30:00+09');
RESET timezone;
RESET ROLE;
