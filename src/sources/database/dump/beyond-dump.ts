import { memberships } from '../catalog/catalog.ts'
import { quoteLiteral } from '../catalog/quote.ts'

/** Numbers below this belong to the server itself. Source: PostgreSQL, access/transam.h, FirstNormalObjectId. */
const firstOwn = 16384

/** Relations of information_schema that nobody may read to begin with, besides those that begin with `_pg_`: for all others the server keeps no initial rights. */
const neverPublic = ['sql_parts', 'transforms']

/**
 * What pg_dump passes over in silence, as a query of names and reasons: labels and limits of roles and databases, which belong to the whole server; what somebody
 * put into the server's own schemas, or into an extension; slots, origins and settings of other databases. Names are quoted where needed.
 */
export const beyondDumpSql = `with ${memberships},
  own (oid) as (select n.oid from pg_namespace n where n.nspname in ('pg_catalog', 'information_schema')),
  added as (
    select m.classid, m.objid, m.extname, pg_catalog.age(o.born) > pg_catalog.age(d.xmin) as by_hand
    from members m
    join pg_depend d on d.classid = m.classid and d.objid = m.objid and d.refobjid = m.extension and d.deptype = 'e'
      and d.refclassid = 'pg_extension'::regclass
    join (select 'pg_class'::regclass::oid as classid, c.oid, c.xmin as born from pg_class c where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
      union all select 'pg_proc'::regclass::oid, p.oid, p.xmin from pg_proc p
      union all select 'pg_type'::regclass::oid, t.oid, t.xmin from pg_type t where t.typtype in ('e', 'd', 'r')) o on o.classid = m.classid and o.oid = m.objid)
select format('security label of %s on the role %I', s.provider, r.rolname) as what, 'a dump of a database holds no labels of roles: give it again after a restore' as reason
from pg_shseclabel s join pg_roles r on s.classoid = 'pg_authid'::regclass and s.objoid = r.oid
union all select format('security label of %s on the database', s.provider), 'it belongs to the server: give it again after a restore'
from pg_shseclabel s join pg_database d on s.classoid = 'pg_database'::regclass and s.objoid = d.oid where d.datname = current_database()
union all select 'connection limit of the database', format('it is %s: alter database ... connection limit brings it back', d.datconnlimit)
from pg_database d where d.datname = current_database() and d.datconnlimit <> -1
union all select 'that the database is a template', 'alter database ... is_template true brings it back'
from pg_database d where d.datname = current_database() and d.datistemplate
union all select format('function %s', p.oid::regprocedure), 'it lies in a schema of the server, into which no dump looks'
from pg_proc p where p.pronamespace in (select oid from own) and p.oid >= ${firstOwn}
  and not exists (select from members m where m.classid = 'pg_proc'::regclass and m.objid = p.oid)
union all select format('table or view %s', c.oid::regclass), 'it lies in a schema of the server, into which no dump looks'
from pg_class c where c.relnamespace in (select oid from own) and c.oid >= ${firstOwn} and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
  and not exists (select from members m where m.classid = 'pg_class'::regclass and m.objid = c.oid)
union all select format('right of everybody to read %s, which was taken away', c.oid::regclass), 'no dump holds grants in information_schema: it is open again after a restore'
from pg_class c
where c.relnamespace = 'information_schema'::regnamespace and c.oid < ${firstOwn} and c.relkind in ('r', 'v')
  and c.relname !~ '^_pg_' and c.relname not in (${neverPublic.map(quoteLiteral).join(', ')})
  and not exists (select from aclexplode(c.relacl) x where x.grantee = 0 and x.privilege_type = 'SELECT')
union all select format('membership of the role %I in %I', g.rolname, r.rolname), 'the member is a role of the server itself: grant it again after a restore'
from pg_auth_members m join pg_roles g on g.oid = m.member and g.rolname ~ '^pg_' join pg_roles r on r.oid = m.roleid and r.rolname !~ '^pg_'
union all select format('replication slot %I', s.slot_name), 'a slot belongs to the server: make it again after a restore'
from pg_replication_slots s where s.slot_type = 'logical' and s.database = current_database() and not s.temporary and s.slot_name !~ '^supabase_'
union all select format('replication origin %I', o.roname), 'an origin belongs to the server: make it again after a restore'
from pg_replication_origin o where o.roname !~ '^pg_[0-9]+$'
union all select format('settings of the role %I in another database', r.rolname), 'they are part of a backup of that database'
from pg_db_role_setting s join pg_roles r on r.oid = s.setrole join pg_database d on d.oid = s.setdatabase and d.datname <> current_database()
union all select format('rows of the partition %s', c.oid::regclass), 'they lie on another server'
from pg_class c where c.relkind = 'f' and c.relispartition
union all select format('%s %s', i.type, i.identity), format('somebody added it to the extension %I: neither a dump holds it nor the extension makes it', a.extname)
from added a, lateral pg_identify_object(a.classid, a.objid, 0) i
where a.by_hand and 2 * (select count(*) from added b where b.extname = a.extname and b.by_hand) <= (select count(*) from added b where b.extname = a.extname)`
