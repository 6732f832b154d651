import { z } from 'zod'
import { globMatches, parseGlob } from '../../base/glob.ts'
import { UserError } from '../../errors.ts'
import { hasStatus } from './errors.ts'
import type { Github } from './index.ts'

const listSchema = z.array(z.object({ id: z.number(), target: z.string().optional(), enforcement: z.string() }))
const rulesetSchema = z.object({
  name: z.string(),
  current_user_can_bypass: z.string().optional(),
  conditions: z
    .object({ ref_name: z.object({ include: z.array(z.string()), exclude: z.array(z.string()) }).optional() })
    .nullish(),
  rules: z.array(z.object({ type: z.string() })).optional()
})

/**
 * Looks whether a tag could be made in a repository, without leaving anything there: asks to remove it, though it cannot exist yet. GitHub looks at permission,
 * archive and commits before it says that there is no such tag. Throws only where it is certain; an answer that may pass says nothing.
 *
 * @param tag one that cannot exist: should it, it would go.
 * @returns whether there is a commit, which a tag needs.
 */
export async function assertMayWrite(github: Github, repository: string, tag: string): Promise<boolean> {
  const [owner = '', repo = ''] = repository.split('/')
  try {
    await github.request('DELETE /repos/{owner}/{repo}/git/refs/{ref}', { owner, repo, ref: `tags/${tag}` })
  } catch (thrown) {
    if (hasStatus(thrown, 409)) return false
    if (hasStatus(thrown, 401, 403)) throw thrown
  }
  return true
}

/** Throws where a ruleset of the repository forbids to make this tag. What GitHub does not show of its rules says nothing. */
export async function assertTagAllowed(github: Github, repository: string, tag: string): Promise<void> {
  const [owner = '', repo = ''] = repository.split('/')
  try {
    const listed = await github.request('GET /repos/{owner}/{repo}/rulesets', { owner, repo, targets: 'tag' })
    for (const { id, target, enforcement } of listSchema.parse(listed.data)) {
      if (target !== 'tag' || enforcement !== 'active') continue
      const { data } = await github.request('GET /repos/{owner}/{repo}/rulesets/{ruleset_id}', {
        owner,
        repo,
        ruleset_id: id
      })
      if (forbids(rulesetSchema.parse(data), tag)) throw refused(repository, rulesetSchema.parse(data).name)
    }
  } catch (thrown) {
    if (thrown instanceof UserError && thrown.code === 'SB407') throw thrown
    if (thrown instanceof z.ZodError || thrown instanceof UserError) return
    throw thrown
  }
}

function forbids(ruleset: z.infer<typeof rulesetSchema>, tag: string): boolean {
  const names = ruleset.conditions?.ref_name
  if (names === undefined || ruleset.current_user_can_bypass === 'always') return false
  if (ruleset.rules?.some(({ type }) => type === 'creation') !== true) return false
  // As fnmatch has it, but for sets of characters: a name of ours has no slash after its prefix, so that `*` and `**` are alike.
  const covers = (pattern: string) => pattern === '~ALL' || globMatches(parseGlob(pattern), `refs/tags/${tag}`)
  return names.include.some(covers) && !names.exclude.some(covers)
}

function refused(repository: string, ruleset: string): UserError {
  return new UserError(
    'SB407',
    `The ruleset ${JSON.stringify(ruleset)} of ${repository} forbids to make the tag of a backup.`,
    {
      remedy:
        'Let the ruleset leave out tags that begin with `backup-` (Settings, Rules, Rulesets), or let the owner of the token bypass it.'
    }
  )
}
