import { extensionGrants, serverGrants } from './extension-objects.ts'
import {
  classOf,
  type GuardQuery,
  grantLines,
  lines,
  notOfExtension,
  optionNames,
  optionsDigest,
  qualifiedName,
  roleName,
  userSchemas,
  when
} from './object-sql.ts'

/** Numbers below this belong to the server itself. Source: PostgreSQL, access/transam.h, FirstNormalObjectId. */
const firstOwn = 16384

const schemas: GuardQuery = (
  version
) => `select ${classOf('pg_namespace')}, n.oid, 'schema', quote_ident(n.nspname), '', ${roleName('n.nspowner')},
  ${grantLines('n.nspacl', 'n', 'n.nspowner', version)}
from pg_namespace n where ${userSchemas} and ${notOfExtension('pg_namespace', 'n.oid')}`

const functions: GuardQuery = (version) => `select ${classOf('pg_proc')}, p.oid,
  case p.prokind when 'p' then 'procedure' else 'function' end, p.oid::regprocedure::text,
  pg_get_functiondef(p.oid), ${roleName('p.proowner')}, ${grantLines('p.proacl', 'f', 'p.proowner', version)}
from pg_proc p join pg_namespace n on n.oid = p.pronamespace
where p.prokind <> 'a' and ${userSchemas} and ${notOfExtension('pg_proc', 'p.oid')}
  and not exists (select from pg_depend d where d.classid = ${classOf('pg_proc')} and d.objid = p.oid and d.deptype = 'i')`

const aggregates: GuardQuery = (
  version
) => `select ${classOf('pg_proc')}, p.oid, 'aggregate', p.oid::regprocedure::text,
  ${lines(
    `format('returns %s, kind %s, state %s in %s', format_type(p.prorettype, null), a.aggkind, format_type(a.aggtranstype, null), a.aggtransfn)`,
    `format('final %s %s %s, combine %s, serial %s %s, moving %s %s %s %s %s %s', a.aggfinalfn, a.aggfinalextra, a.aggfinalmodify, a.aggcombinefn,
      a.aggserialfn, a.aggdeserialfn, a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn, format_type(a.aggmtranstype, null), a.aggmfinalextra, a.aggmfinalmodify)`,
    `'starts with ' || a.agginitval`,
    `'moving starts with ' || a.aggminitval`,
    when('a.aggsortop <> 0', `'sort ' || a.aggsortop::regoperator::text`),
    `format('parallel %s, direct %s, space %s %s', p.proparallel, a.aggnumdirectargs, a.aggtransspace, a.aggmtransspace)`
  )}, ${roleName('p.proowner')}, ${grantLines('p.proacl', 'f', 'p.proowner', version)}
from pg_aggregate a join pg_proc p on p.oid = a.aggfnoid join pg_namespace n on n.oid = p.pronamespace
where ${userSchemas} and ${notOfExtension('pg_proc', 'p.oid')}`

/** Enumerations, domains, ranges, base types; row types, array types and multiranges come with what they belong to. */
const types: GuardQuery = (version) => `select ${classOf('pg_type')}, t.oid,
  case t.typtype when 'e' then 'enumeration' when 'd' then 'domain' when 'r' then 'range type' else 'type' end, format_type(t.oid, null),
  case t.typtype
    when 'e' then (select coalesce(string_agg(quote_literal(e.enumlabel), ', ' order by e.enumsortorder), '') from pg_enum e where e.enumtypid = t.oid)
    when 'd' then ${lines(
      'format_type(t.typbasetype, t.typtypmod)',
      when('t.typnotnull', `'not null'`),
      `'default ' || t.typdefault`,
      when('t.typcollation <> 0', `'collate ' || t.typcollation::regcollation::text`)
    )}
    when 'r' then (select ${lines(
      `'of ' || format_type(r.rngsubtype, null)`,
      when('r.rngcollation <> 0', `'collate ' || r.rngcollation::regcollation::text`),
      `'operator class ' || (select ${qualifiedName('on_.nspname', 'oc.opcname')} from pg_opclass oc join pg_namespace on_ on on_.oid = oc.opcnamespace where oc.oid = r.rngsubopc)`,
      `format('canonical %s, difference %s', r.rngcanonical, r.rngsubdiff)`,
      `'multirange ' || format_type(r.rngmultitypid, null)`
    )} from pg_range r where r.rngtypid = t.oid)
    else format('input %s output %s receive %s send %s modifiers %s %s analyze %s length %s by value %s align %s storage %s category %s preferred %s default %s element %s delimiter %s collation %s not null %s subscript %s',
      t.typinput, t.typoutput, t.typreceive, t.typsend, t.typmodin, t.typmodout, t.typanalyze, t.typlen, t.typbyval, t.typalign, t.typstorage,
      t.typcategory, t.typispreferred, t.typdefault, format_type(t.typelem, null), t.typdelim, t.typcollation::regcollation, t.typnotnull,
      ${version.server >= 140000 && version.oldest >= 140000 ? 't.typsubscript' : `''`}) end,
  ${roleName('t.typowner')}, ${grantLines('t.typacl', 'T', 't.typowner', version)}
from pg_type t join pg_namespace n on n.oid = t.typnamespace
where t.typtype in ('e', 'd', 'r', 'b') and ${userSchemas} and ${notOfExtension('pg_type', 't.oid')}
  and not exists (select from pg_type e where e.typarray = t.oid)`

const casts: GuardQuery =
  () => `select ${classOf('pg_cast')}, k.oid, 'cast', format('%s as %s', format_type(k.castsource, null), format_type(k.casttarget, null)),
  format('%s %s %s', k.castmethod, k.castcontext, k.castfunc::regprocedure), null, null
from pg_cast k where k.oid >= ${firstOwn} and ${notOfExtension('pg_cast', 'k.oid')}`

const operators: GuardQuery = () => `select ${classOf('pg_operator')}, o.oid, 'operator', o.oid::regoperator::text,
  format('function %s commutator %s negator %s restrict %s join %s hashes %s merges %s', o.oprcode, o.oprcom::regoperator, o.oprnegate::regoperator,
    o.oprrest, o.oprjoin, o.oprcanhash, o.oprcanmerge), ${roleName('o.oprowner')}, null
from pg_operator o join pg_namespace n on n.oid = o.oprnamespace
where o.oprcode <> 0 and ${userSchemas} and ${notOfExtension('pg_operator', 'o.oid')}`

const operatorClasses: GuardQuery =
  () => `select ${classOf('pg_opclass')}, k.oid, 'operator class', ${qualifiedName('n.nspname', 'k.opcname')} || ' using ' || quote_ident(m.amname),
  format('for %s default %s storage %s family %s.%s', format_type(k.opcintype, null), k.opcdefault, case when k.opckeytype = 0 then '-' else format_type(k.opckeytype, null) end,
    quote_ident(fn.nspname), quote_ident(f.opfname)), ${roleName('k.opcowner')}, null
from pg_opclass k join pg_namespace n on n.oid = k.opcnamespace join pg_am m on m.oid = k.opcmethod
join pg_opfamily f on f.oid = k.opcfamily join pg_namespace fn on fn.oid = f.opfnamespace
where ${userSchemas} and ${notOfExtension('pg_opclass', 'k.oid')}`

const operatorFamilies: GuardQuery =
  () => `select ${classOf('pg_opfamily')}, f.oid, 'operator family', ${qualifiedName('n.nspname', 'f.opfname')} || ' using ' || quote_ident(m.amname),
  ${lines(
    `(select string_agg(format('operator %s %s for %s', a.amopstrategy, a.amopopr::regoperator, a.amoppurpose)
        || coalesce((select ' ordered by ' || ${qualifiedName('sn.nspname', 's.opfname')} from pg_opfamily s join pg_namespace sn on sn.oid = s.opfnamespace where s.oid = a.amopsortfamily), ''), E'\\n' order by a.amopstrategy, a.amopopr::regoperator::text collate "C")
      from pg_amop a where a.amopfamily = f.oid)`,
    `(select string_agg(format('function %s %s (%s, %s)', a.amprocnum, a.amproc::regprocedure, format_type(a.amproclefttype, null), format_type(a.amprocrighttype, null)), E'\\n'
        order by a.amprocnum, a.amproc::regprocedure::text collate "C") from pg_amproc a where a.amprocfamily = f.oid)`
  )}, ${roleName('f.opfowner')}, null
from pg_opfamily f join pg_namespace n on n.oid = f.opfnamespace join pg_am m on m.oid = f.opfmethod
where ${userSchemas} and ${notOfExtension('pg_opfamily', 'f.oid')}`

/** The locale's column was renamed in PostgreSQL 17 (colllocale) and did not exist before 15 (colliculocale); rules exist since 16. */
const collations: GuardQuery = ({
  server,
  oldest
}) => `select ${classOf('pg_collation')}, k.oid, 'collation', ${qualifiedName('n.nspname', 'k.collname')},
  format('provider %s locale %s deterministic %s', k.collprovider,
    coalesce(${server >= 170000 ? 'k.colllocale' : server >= 150000 ? 'k.colliculocale' : 'null'}, k.collcollate || ' ' || k.collctype), k.collisdeterministic)
    || ${server >= 160000 && oldest >= 160000 ? `coalesce(' rules ' || k.collicurules, '')` : `''`}, ${roleName('k.collowner')}, null
from pg_collation k join pg_namespace n on n.oid = k.collnamespace where ${userSchemas} and ${notOfExtension('pg_collation', 'k.oid')}`

const textSearch: GuardQuery =
  () => `select ${classOf('pg_ts_config')}, k.oid, 'text search configuration', ${qualifiedName('n.nspname', 'k.cfgname')},
  (select 'parser ' || quote_ident(p.prsname) from pg_ts_parser p where p.oid = k.cfgparser) || coalesce(E'\\n' || (select string_agg(format('%s: %s', m.maptokentype, m.mapdict::regdictionary), E'\\n' order by m.maptokentype, m.mapseqno)
    from pg_ts_config_map m where m.mapcfg = k.oid), ''), ${roleName('k.cfgowner')}, null
from pg_ts_config k join pg_namespace n on n.oid = k.cfgnamespace where ${userSchemas} and ${notOfExtension('pg_ts_config', 'k.oid')}
union all
select ${classOf('pg_ts_dict')}, d.oid, 'text search dictionary', ${qualifiedName('n.nspname', 'd.dictname')},
  (select t.tmplname from pg_ts_template t where t.oid = d.dicttemplate) || coalesce(': ' || d.dictinitoption, ''), ${roleName('d.dictowner')}, null
from pg_ts_dict d join pg_namespace n on n.oid = d.dictnamespace where ${userSchemas} and ${notOfExtension('pg_ts_dict', 'd.oid')}
union all
select ${classOf('pg_ts_template')}, t.oid, 'text search template', ${qualifiedName('n.nspname', 't.tmplname')}, format('%s %s', t.tmplinit, t.tmpllexize), null, null
from pg_ts_template t join pg_namespace n on n.oid = t.tmplnamespace where ${userSchemas} and ${notOfExtension('pg_ts_template', 't.oid')}
union all
select ${classOf('pg_ts_parser')}, p.oid, 'text search parser', ${qualifiedName('n.nspname', 'p.prsname')}, format('%s %s %s %s %s', p.prsstart, p.prstoken, p.prsend, p.prsheadline, p.prslextype), null, null
from pg_ts_parser p join pg_namespace n on n.oid = p.prsnamespace where ${userSchemas} and ${notOfExtension('pg_ts_parser', 'p.oid')}`

const conversions: GuardQuery =
  () => `select ${classOf('pg_conversion')}, k.oid, 'conversion', ${qualifiedName('n.nspname', 'k.conname')},
  format('%s to %s by %s default %s', pg_encoding_to_char(k.conforencoding), pg_encoding_to_char(k.contoencoding), k.conproc, k.condefault), ${roleName('k.conowner')}, null
from pg_conversion k join pg_namespace n on n.oid = k.connamespace where ${userSchemas} and ${notOfExtension('pg_conversion', 'k.oid')}`

const accessMethods: GuardQuery =
  () => `select ${classOf('pg_am')}, a.oid, 'access method', quote_ident(a.amname), format('%s %s', a.amtype, a.amhandler), null, null
from pg_am a where a.oid >= ${firstOwn} and ${notOfExtension('pg_am', 'a.oid')}`

const languages: GuardQuery = (version) => `select ${classOf('pg_language')}, l.oid, 'language', quote_ident(l.lanname),
  format('trusted %s, handler %s, inline %s, validator %s', l.lanpltrusted, l.lanplcallfoid::regproc, l.laninline::regproc, l.lanvalidator::regproc),
  ${roleName('l.lanowner')}, ${grantLines('l.lanacl', 'l', 'l.lanowner', version)}
from pg_language l where l.lanispl and ${notOfExtension('pg_language', 'l.oid')}`

const transforms: GuardQuery =
  () => `select ${classOf('pg_transform')}, t.oid, 'transform', format('for %s language %s', format_type(t.trftype, null), l.lanname),
  format('%s %s', t.trffromsql, t.trftosql), null, null
from pg_transform t join pg_language l on l.oid = t.trflang where t.oid >= ${firstOwn} and ${notOfExtension('pg_transform', 't.oid')}`

const eventTriggers: GuardQuery =
  () => `select ${classOf('pg_event_trigger')}, e.oid, 'event trigger', quote_ident(e.evtname),
  ${lines(
    `format('on %s execute %s', e.evtevent, e.evtfoid::regprocedure)`,
    `'tags ' || (select string_agg(t, ', ' order by t collate "C") from unnest(e.evttags) t)`,
    `case e.evtenabled when 'O' then 'enabled' when 'D' then 'disabled' when 'R' then 'enabled replica' else 'enabled always' end`
  )}, ${roleName('e.evtowner')}, null
from pg_event_trigger e where ${notOfExtension('pg_event_trigger', 'e.oid')}`

/** Row filters, columns and schemas exist since PostgreSQL 15. */
const publications: GuardQuery = ({ server }) => {
  const generated = server >= 180000 ? `, generated columns %s', p.pubgencols)` : `')`
  const table =
    server >= 150000
      ? `r.prrelid::regclass::text
        || coalesce(' (' || (select string_agg(quote_ident(a.attname), ', ' order by a.attnum) from pg_attribute a where a.attrelid = r.prrelid and a.attnum = any (r.prattrs::int2[])) || ')', '')
        || coalesce(' where ' || pg_get_expr(r.prqual, r.prrelid), '')`
      : 'r.prrelid::regclass::text'
  const schemaLines =
    server >= 150000
      ? `(select string_agg('schema ' || s.pnnspid::regnamespace::text, E'\\n' order by s.pnnspid::regnamespace::text collate "C") from pg_publication_namespace s where s.pnpubid = p.oid)`
      : 'null'
  return `select ${classOf('pg_publication')}, p.oid, 'publication', quote_ident(p.pubname),
  ${lines(
    `format('all tables %s, insert %s, update %s, delete %s, truncate %s, via root %s', p.puballtables, p.pubinsert, p.pubupdate, p.pubdelete, p.pubtruncate, p.pubviaroot) || format('${generated}`,
    `(select string_agg('table ' || l.line, E'\\n' order by l.line collate "C") from (select ${table} as line from pg_publication_rel r where r.prpubid = p.oid) l)`,
    schemaLines
  )}, ${roleName('p.pubowner')}, null
from pg_publication p where ${notOfExtension('pg_publication', 'p.oid')}`
}

/** Shown are the names of options only: their values may be secrets, and are compared by a digest that is never shown. */
const foreign: GuardQuery = (
  version
) => `select ${classOf('pg_foreign_data_wrapper')}, w.oid, 'foreign data wrapper', quote_ident(w.fdwname),
  format('handler %s validator %s options %s', w.fdwhandler::regproc, w.fdwvalidator::regproc, ${optionNames('w.fdwoptions')}), ${roleName('w.fdwowner')},
  ${grantLines('w.fdwacl', 'F', 'w.fdwowner', version)}
from pg_foreign_data_wrapper w where ${notOfExtension('pg_foreign_data_wrapper', 'w.oid')}
union all
select ${classOf('pg_foreign_data_wrapper')}, w.oid, 'options of foreign data wrapper', quote_ident(w.fdwname), ${optionsDigest('w.fdwoptions')}, null, null
from pg_foreign_data_wrapper w where ${notOfExtension('pg_foreign_data_wrapper', 'w.oid')}
union all
select ${classOf('pg_foreign_server')}, s.oid, 'foreign server', quote_ident(s.srvname),
  format('wrapper %s type %s version %s options %s', (select w.fdwname from pg_foreign_data_wrapper w where w.oid = s.srvfdw), s.srvtype, s.srvversion, ${optionNames('s.srvoptions')}),
  ${roleName('s.srvowner')}, ${grantLines('s.srvacl', 'S', 's.srvowner', version)}
from pg_foreign_server s where ${notOfExtension('pg_foreign_server', 's.oid')}
union all
select ${classOf('pg_foreign_server')}, s.oid, 'options of foreign server', quote_ident(s.srvname), ${optionsDigest('s.srvoptions')}, null, null
from pg_foreign_server s where ${notOfExtension('pg_foreign_server', 's.oid')}
union all
select ${classOf('pg_class')}, f.ftrelid, 'options of foreign table', f.ftrelid::regclass::text, ${optionsDigest('f.ftoptions')}, null, null
from pg_foreign_table f where ${notOfExtension('pg_class', 'f.ftrelid')}
union all
select ${classOf('pg_class')}, a.attrelid, 'options of column', a.attrelid::regclass::text || '.' || quote_ident(a.attname), ${optionsDigest('a.attfdwoptions')}, null, null
from pg_attribute a where a.attfdwoptions is not null and not a.attisdropped and ${notOfExtension('pg_class', 'a.attrelid')}
union all
select ${classOf('pg_foreign_server')}, u.srvid, 'user mapping', ${roleName('u.umuser')} || ' on ' || quote_ident(u.srvname), '', null, null
from pg_user_mappings u where ${notOfExtension('pg_foreign_server', 'u.srvid')}
union all
select ${classOf('pg_foreign_server')}, u.srvid, 'options of user mapping', ${roleName('u.umuser')} || ' on ' || quote_ident(u.srvname),
  case when u.umoptions is null and not (select r.rolsuper from pg_roles r where r.rolname = current_user) then 'hidden' else ${optionsDigest('u.umoptions')} end, null, null
from pg_user_mappings u where ${notOfExtension('pg_foreign_server', 'u.srvid')}`

const defaultPrivileges: GuardQuery = (version) => `select ${classOf('pg_default_acl')}, d.oid, 'default privileges',
  format('for %s%s on %s', ${roleName('d.defaclrole')}, coalesce(' in schema ' || quote_ident(n.nspname), ''),
    case d.defaclobjtype when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'functions' when 'T' then 'types' when 'n' then 'schemas' when 'L' then 'large objects' else d.defaclobjtype::text end),
  ${grantLines('d.defaclacl', 'r', 'd.defaclrole', version)}, null, null
from pg_default_acl d left join pg_namespace n on n.oid = d.defaclnamespace where ${notOfExtension('pg_default_acl', 'd.oid')}`

/** Large objects with the same owner and grants are one line, so that the fingerprint stays small however many there are. */
const largeObjects: GuardQuery = (
  version
) => `select ${classOf('pg_largeobject_metadata')}, null::oid, 'large objects', 'of ' || l.owner || ' with ' || l.grants,
  format('%s objects, numbers %s', count(*), sum(hashint8extended(l.oid::int8, 0))), null, null
from (select m.oid, ${roleName('m.lomowner')} as owner, ${grantLines('m.lomacl', 'L', 'm.lomowner', version)} as grants from pg_largeobject_metadata m) l
group by l.owner, l.grants`

const comments: GuardQuery =
  () => `select d.classoid, d.objoid, 'comment', i.type || ' ' || i.identity, d.description, null, null
from pg_description d, lateral pg_identify_object(d.classoid, d.objoid, d.objsubid) i
where (d.objoid >= ${firstOwn} or d.classoid in (${classOf('pg_largeobject')}, ${classOf('pg_namespace')}) and d.objoid not in (11, 99))
  and i.identity is not null and coalesce(i.schema, '') !~ '^"?pg_'
  and not exists (select from members m where m.classid = d.classoid and m.objid = d.objoid)`

const labels: GuardQuery =
  () => `select s.classoid, s.objoid, 'security label', format('%s on %s %s', s.provider, i.type, i.identity), s.label, null, null
from pg_seclabel s, lateral pg_identify_object(s.classoid, s.objoid, s.objsubid) i
where i.identity is not null and not exists (select from members m where m.classid = s.classoid and m.objid = s.objoid)`

/** What goes when an extension goes (`alter function ... depends on extension`). */
const dependences: GuardQuery =
  () => `select d.classid, d.objid, 'dependence', format('of %s %s on extension %s', i.type, i.identity, quote_ident(e.extname)), '', null, null
from pg_depend d join pg_extension e on e.oid = d.refobjid, lateral pg_identify_object(d.classid, d.objid, d.objsubid) i
where d.refclassid = ${classOf('pg_extension')} and d.deptype = 'x' and i.identity is not null`

/** Everything but relations. */
export const objectQueries: readonly GuardQuery[] = [
  schemas,
  functions,
  aggregates,
  types,
  casts,
  operators,
  operatorClasses,
  operatorFamilies,
  collations,
  textSearch,
  conversions,
  accessMethods,
  languages,
  transforms,
  eventTriggers,
  publications,
  foreign,
  defaultPrivileges,
  largeObjects,
  comments,
  labels,
  dependences,
  extensionGrants,
  serverGrants
]
