-- What the catalog of a project holds, a line a fact, as the inventory beside this file has it: section and line.
WITH
mine AS (SELECT oid, nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'),
members AS (SELECT d.classid, d.objid, e.extname FROM pg_depend d
  JOIN pg_extension e ON e.oid = d.refobjid AND d.refclassid = 'pg_extension'::regclass WHERE d.deptype = 'e'),
letters (privilege, letter) AS (VALUES ('SELECT', 'r'), ('INSERT', 'a'), ('UPDATE', 'w'), ('DELETE', 'd'), ('TRUNCATE', 'D'),
  ('REFERENCES', 'x'), ('TRIGGER', 't'), ('EXECUTE', 'X'), ('USAGE', 'U'), ('CREATE', 'C'), ('CONNECT', 'c'), ('TEMPORARY', 'T'),
  ('SET', 's'), ('ALTER SYSTEM', 'A'), ('MAINTAIN', 'm')),
lists (list) AS (
  SELECT nspacl::text FROM pg_namespace UNION SELECT relacl::text FROM pg_class UNION SELECT proacl::text FROM pg_proc UNION SELECT typacl::text FROM pg_type
  UNION SELECT defaclacl::text FROM pg_default_acl UNION SELECT initprivs::text FROM pg_init_privs UNION SELECT datacl::text FROM pg_database
  UNION SELECT paracl::text FROM pg_parameter_acl),
entries AS (
  SELECT list, CASE a.grantee WHEN 0 THEN '' ELSE a.grantee::regrole::text END AS grantee, a.grantor::regrole::text AS grantor,
    string_agg(l.letter || CASE WHEN a.is_grantable THEN '*' ELSE '' END, '' ORDER BY a.privilege_type COLLATE "C") AS letters
  FROM lists, aclexplode(list::aclitem[]) a JOIN letters l ON l.privilege = a.privilege_type GROUP BY list, a.grantee, a.grantor),
acls AS (
  SELECT list, string_agg(format('%s=%s/%s', grantee, letters, grantor), ' ' ORDER BY grantee COLLATE "C", grantor COLLATE "C") AS text
  FROM entries GROUP BY list),
relations AS (
  SELECT c.*, n.nspname, CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' WHEN 'v' THEN 'view'
    WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table' WHEN 'c' THEN 'composite type' WHEN 'S' THEN 'sequence' END AS kind,
    (SELECT text FROM acls WHERE list = c.relacl::text) AS acl
  FROM pg_class c JOIN mine n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c', 'S'))

SELECT 'roles' AS section, concat_ws(' ', rolname, CASE WHEN rolsuper THEN 'superuser' END, CASE WHEN rolinherit THEN 'inherit' END,
  CASE WHEN rolcreaterole THEN 'createrole' END, CASE WHEN rolcreatedb THEN 'createdb' END, CASE WHEN rolcanlogin THEN 'login' END,
  CASE WHEN rolreplication THEN 'replication' END, CASE WHEN rolbypassrls THEN 'bypassrls' END,
  CASE WHEN rolconnlimit <> -1 THEN format('limit %s', rolconnlimit) END) AS line
FROM pg_roles WHERE rolname !~ '^pg_'

UNION ALL SELECT 'memberships', concat_ws(' ', roleid::regrole, 'to', member::regrole, 'by', grantor::regrole,
  CASE WHEN admin_option THEN 'admin' END,
  -- From 16 on.
  CASE to_jsonb(m) ->> 'inherit_option' WHEN 'true' THEN 'inherit' END, CASE to_jsonb(m) ->> 'set_option' WHEN 'true' THEN 'set' END)
FROM pg_auth_members m

UNION ALL SELECT 'role settings', format('%s: %s',
  CASE setrole WHEN 0 THEN 'database' ELSE setrole::regrole::text END,
  CASE WHEN setting ~ '^app.settings.jwt_secret=' THEN 'app.settings.jwt_secret=(secret)' ELSE setting END)
FROM pg_db_role_setting, unnest(setconfig) setting
WHERE setdatabase = 0 OR setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())

UNION ALL SELECT 'parameters', format('%s: %s', parname, (SELECT text FROM acls WHERE list = paracl::text)) FROM pg_parameter_acl

UNION ALL SELECT 'database', format('of %s: %s', datdba::regrole, (SELECT text FROM acls WHERE list = datacl::text))
FROM pg_database WHERE datname = current_database()

UNION ALL SELECT 'schemas', format('%s of %s: %s', nspname, nspowner::regrole, coalesce((SELECT text FROM acls WHERE list = nspacl::text), 'default'))
FROM pg_namespace JOIN mine USING (nspname)

UNION ALL SELECT 'default privileges', format('%s in %s on %s: %s', defaclrole::regrole,
  CASE defaclnamespace WHEN 0 THEN 'any' ELSE defaclnamespace::regnamespace::text END,
  CASE defaclobjtype WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences' WHEN 'f' THEN 'functions' WHEN 'T' THEN 'types' ELSE 'schemas' END,
  (SELECT text FROM acls WHERE list = defaclacl::text))
FROM pg_default_acl

UNION ALL SELECT 'extensions', concat_ws(' ', extname, extversion, 'in', extnamespace::regnamespace, 'of', extowner::regrole,
  (SELECT 'rows of ' || string_agg(t::regclass::text, ', ' ORDER BY n) FROM unnest(extconfig) WITH ORDINALITY u (t, n)))
FROM pg_extension

UNION ALL SELECT 'members', format('%s: %s %s of %s: %s initially %s', m.extname, o.type, o.identity, x.owner::regrole,
  coalesce((SELECT text FROM acls WHERE list = x.acl::text), 'default'), coalesce((SELECT text FROM acls WHERE list = i.initprivs::text), 'default'))
FROM members m CROSS JOIN LATERAL pg_identify_object(m.classid, m.objid, 0) o
JOIN (SELECT 'pg_class'::regclass AS classid, oid, relowner AS owner, relacl AS acl FROM pg_class
  UNION ALL SELECT 'pg_proc'::regclass, oid, proowner, proacl FROM pg_proc
  UNION ALL SELECT 'pg_type'::regclass, oid, typowner, typacl FROM pg_type
  UNION ALL SELECT 'pg_namespace'::regclass, oid, nspowner, nspacl FROM pg_namespace
  UNION ALL SELECT 'pg_language'::regclass, oid, lanowner, lanacl FROM pg_language) x ON x.classid = m.classid AND x.oid = m.objid
LEFT JOIN pg_init_privs i ON i.classoid = m.classid AND i.objoid = m.objid AND i.objsubid = 0
WHERE m.extname <> 'plpgsql'

UNION ALL SELECT 'event triggers', concat_ws(' ', evtname, evtevent, evttags::text, evtenabled, evtowner::regrole, evtfoid::regproc)
FROM pg_event_trigger

UNION ALL SELECT 'functions', concat_ws(' ', format('%s.%s(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)),
  'returns', pg_get_function_result(p.oid), 'of', p.proowner::regrole, l.lanname,
  CASE p.provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' ELSE 'volatile' END,
  CASE WHEN p.proisstrict THEN 'strict' END, CASE WHEN p.prosecdef THEN 'security definer' END,
  CASE WHEN p.pronargdefaults > 0 THEN format('%s defaults', p.pronargdefaults) END, p.proconfig::text,
  coalesce((SELECT text FROM acls WHERE list = p.proacl::text), 'default'))
FROM pg_proc p JOIN mine n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang
WHERE NOT EXISTS (SELECT FROM members WHERE classid = 'pg_proc'::regclass AND objid = p.oid)

UNION ALL SELECT 'types', concat_ws(' ', format('%s.%s', n.nspname, t.typname), CASE t.typtype WHEN 'e' THEN 'enum' WHEN 'd' THEN 'domain' ELSE 'composite' END,
  'of', t.typowner::regrole, (SELECT string_agg(enumlabel, ',' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid),
  coalesce((SELECT text FROM acls WHERE list = t.typacl::text), 'default'))
FROM pg_type t JOIN mine n ON n.oid = t.typnamespace LEFT JOIN pg_class c ON c.oid = t.typrelid
WHERE (t.typtype IN ('e', 'd') OR c.relkind = 'c') AND NOT EXISTS (SELECT FROM members WHERE classid = 'pg_type'::regclass AND objid = t.oid)

UNION ALL SELECT 'relations', concat_ws(' ', format('%s.%s', nspname, relname), kind, 'of', relowner::regrole,
  CASE WHEN relrowsecurity THEN 'row security' END, CASE WHEN relforcerowsecurity THEN 'forced' END,
  (SELECT count(*) FROM pg_attribute WHERE attrelid = r.oid AND attnum > 0 AND NOT attisdropped) || ' columns',
  (SELECT count(*) || ' dropped' FROM pg_attribute WHERE attrelid = r.oid AND attisdropped HAVING count(*) > 0),
  CASE WHEN kind = 'partitioned table' THEN 'by ' || pg_get_partkeydef(r.oid) END, coalesce(acl, 'default'))
FROM relations r WHERE kind <> 'sequence'

UNION ALL SELECT 'columns', concat_ws(' ', format('%s.%s.%s', r.nspname, r.relname, rank() OVER (PARTITION BY r.oid ORDER BY a.attnum)), a.attname, format_type(a.atttypid, a.atttypmod),
  CASE WHEN a.attnotnull THEN 'not null' END,
  CASE WHEN a.attgenerated <> '' THEN 'generated' WHEN d.oid IS NOT NULL THEN 'default ' || pg_get_expr(d.adbin, d.adrelid) END,
  CASE a.attidentity WHEN 'a' THEN 'identity always' WHEN 'd' THEN 'identity by default' END,
  CASE WHEN a.attcollation <> t.typcollation THEN 'collate ' || a.attcollation::regcollation END)
FROM relations r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_attrdef d ON d.adrelid = r.oid AND d.adnum = a.attnum
WHERE r.kind <> 'sequence'

UNION ALL SELECT 'constraints', concat_ws(' ', format('%s.%s', r.nspname, r.relname), c.conname, pg_get_constraintdef(c.oid))
FROM relations r JOIN pg_constraint c ON c.conrelid = r.oid AND c.contype IN ('p', 'u', 'c', 'f', 'x')

UNION ALL SELECT 'indexes', pg_get_indexdef(i.indexrelid) FROM relations r JOIN pg_index i ON i.indrelid = r.oid

UNION ALL SELECT 'sequences', concat_ws(' ', format('%s.%s', r.nspname, r.relname), 'of', r.relowner::regrole, format_type(s.seqtypid, null),
  s.seqstart, s.seqincrement, coalesce(r.acl, 'default'))
FROM relations r JOIN pg_sequence s ON s.seqrelid = r.oid

UNION ALL SELECT 'triggers', concat_ws(' ', format('%s.%s', r.nspname, r.relname), t.tgname,
  CASE WHEN t.tgtype & 2 > 0 THEN 'before' WHEN t.tgtype & 64 > 0 THEN 'instead of' ELSE 'after' END,
  concat_ws(' or ', CASE WHEN t.tgtype & 4 > 0 THEN 'insert' END, CASE WHEN t.tgtype & 16 > 0 THEN 'update' END,
    CASE WHEN t.tgtype & 8 > 0 THEN 'delete' END, CASE WHEN t.tgtype & 32 > 0 THEN 'truncate' END),
  CASE WHEN t.tgtype & 1 > 0 THEN 'row' ELSE 'statement' END, t.tgfoid::regproc, t.tgenabled)
FROM relations r JOIN pg_trigger t ON t.tgrelid = r.oid AND NOT t.tgisinternal

UNION ALL SELECT 'policies', format('%s.%s %s', r.nspname, r.relname, p.polname) FROM relations r JOIN pg_policy p ON p.polrelid = r.oid

UNION ALL SELECT 'publications', concat_ws(' ', pubname, 'of', pubowner::regrole, CASE WHEN puballtables THEN 'all tables' END,
  CASE WHEN pubinsert THEN 'insert' END, CASE WHEN pubupdate THEN 'update' END, CASE WHEN pubdelete THEN 'delete' END,
  CASE WHEN pubtruncate THEN 'truncate' END) FROM pg_publication

UNION ALL SELECT 'comments', o.type || ' ' || o.identity FROM (
  SELECT classoid, objoid, objsubid FROM pg_description
  UNION ALL SELECT s.classoid, s.objoid, 0 FROM pg_shdescription s
    WHERE s.classoid <> 'pg_database'::regclass OR s.objoid = (SELECT oid FROM pg_database WHERE datname = current_database())) d
CROSS JOIN LATERAL pg_identify_object(d.classoid, d.objoid, d.objsubid) o
WHERE (o.schema IN (SELECT nspname FROM mine) OR d.classoid IN ('pg_extension'::regclass, 'pg_database'::regclass))
AND o.identity <> 'plpgsql' AND NOT (o.type = 'schema' AND o.identity = 'public')
AND NOT EXISTS (SELECT FROM members m WHERE m.classid = d.classoid AND m.objid = d.objoid)

UNION ALL SELECT 'rows', 'auth.schema_migrations ' || count(*) FROM auth.schema_migrations
UNION ALL SELECT 'rows', 'storage.migrations ' || count(*) FROM storage.migrations
UNION ALL SELECT 'rows', 'realtime.schema_migrations ' || count(*) FROM realtime.schema_migrations
ORDER BY 1, 2
