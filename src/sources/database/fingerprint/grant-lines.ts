/** A role's name as it is quoted in a line of an access list (`grantLines`), or PUBLIC. */
export function granteeOf(line: string): string {
  return /^(?:"(?:[^"]|"")*"|[^="]*)/.exec(line)?.[0] ?? ''
}

/** `SELECT`, or `SELECT*` with grant option, of lines of one role. */
export function privilegesOf(lines: readonly string[]): Set<string> {
  const words = lines.flatMap((line) => {
    const list = /^=([A-Z ,*]*)\//.exec(line.slice(granteeOf(line).length))?.[1] ?? ''
    return list.split(',').filter((word) => word !== '')
  })
  return new Set(words)
}

/**
 * Whether two access lists of one object give the same to everybody but its owners, who are two roles. So it is with what belongs to an extension: no
 * dump says whose it is, it is made anew by whoever restores. Unequal where the lines do not tell the owner.
 */
export function sameButForOwner(source: readonly string[], copy: readonly string[]): boolean {
  const [left, right] = [source.map(partsOf), copy.map(partsOf)]
  const owners = [ownerOf(left), ownerOf(right)]
  if (owners.includes(undefined) || owners[0] === owners[1]) return false
  const given = (lines: readonly GrantParts[]) =>
    new Set(
      lines
        .filter(({ grantee }) => !owners.includes(grantee))
        .flatMap(({ grantee, privileges, grantor }) =>
          privileges.map((one) => `${grantee}=${one}/${owners.includes(grantor) ? '' : grantor}`)
        )
    )
  return given(left).symmetricDifference(given(right)).size === 0
}

interface GrantParts {
  readonly grantee: string
  readonly privileges: readonly string[]
  readonly grantor: string
}

function partsOf(line: string): GrantParts {
  const grantee = granteeOf(line)
  return {
    grantee,
    privileges: [...privilegesOf([line])],
    grantor: line.slice(grantee.length).replace(/^=[A-Z ,*]*\//, '')
  }
}

/** The role whose rights to grant come from nobody else. */
function ownerOf(lines: readonly GrantParts[]): string | undefined {
  const given = lines.filter(
    (line) => line.grantee !== line.grantor && line.privileges.some((one) => one.endsWith('*'))
  )
  const roots = new Set(lines.map((line) => line.grantor)).difference(new Set(given.map((line) => line.grantee)))
  return roots.size === 1 ? [...roots][0] : undefined
}

/**
 * The statements that make the grants on an object those of the source: what is too much is revoked, what is missing granted. `kind` and `name` are
 * those of its guard. Rights of owners come with the ownership, and are no grants. Empty for kinds that have none.
 */
export function grantStatements(
  { kind, name }: { readonly kind: string; readonly name: string },
  source: readonly string[],
  copy: readonly string[],
  owners: ReadonlySet<string>
): string[] {
  const column = kind === 'column' ? /^([\s\S]*)\.("(?:[^"]|"")*"|[^."]+)$/.exec(name) : null
  const word = kind === 'column' ? 'TABLE' : wordOf(kind)
  if (word === undefined) return []
  const object = `${word} ${column?.[1] ?? name}`
  const said = (privileges: readonly string[]) =>
    privileges.map((one) => (column === null ? one : `${one} (${column[2] ?? ''})`)).join(', ')
  const revokes: string[] = []
  const grants: string[] = []
  for (const grantee of new Set([...copy, ...source].map(granteeOf))) {
    if (owners.has(grantee)) continue
    const of = (lines: readonly string[]) => privilegesOf(lines.filter((line) => granteeOf(line) === grantee))
    const [before, now] = [of(source), of(copy)]
    const plain = (set: ReadonlySet<string>) => new Set([...set].map((one) => one.replace('*', '')))
    const has = (set: ReadonlySet<string>) => (one: string) => plain(set).has(one)
    const add = (list: string[], privileges: readonly string[], words: (what: string) => string) => {
      if (privileges.length > 0) list.push(words(said(privileges)))
    }
    add(
      revokes,
      [...plain(now)].filter((one) => !has(before)(one)),
      (what) => `REVOKE ${what} ON ${object} FROM ${grantee};`
    )
    add(
      revokes,
      [...plain(now)].filter((one) => now.has(`${one}*`) && before.has(one)),
      (what) => `REVOKE GRANT OPTION FOR ${what} ON ${object} FROM ${grantee};`
    )
    add(
      grants,
      [...before].filter((one) => !one.endsWith('*') && !has(now)(one)),
      (what) => `GRANT ${what} ON ${object} TO ${grantee};`
    )
    add(
      grants,
      [...plain(before)].filter((one) => before.has(`${one}*`) && !now.has(`${one}*`)),
      (what) => `GRANT ${what} ON ${object} TO ${grantee} WITH GRANT OPTION;`
    )
  }
  return [...revokes, ...grants]
}

/** How a grant calls a kind of objects. */
function wordOf(kind: string): string | undefined {
  if (/(?:table|view)$/.test(kind)) return 'TABLE'
  if (/^(?:function|procedure|aggregate)$/.test(kind)) return 'ROUTINE'
  if (/^(?:enumeration|domain|(?:range |composite )?type)$/.test(kind)) return 'TYPE'
  return /^(?:schema|sequence|language|foreign server|foreign data wrapper)$/.test(kind)
    ? kind.toUpperCase()
    : undefined
}
