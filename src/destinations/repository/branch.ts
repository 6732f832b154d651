import { randomInt } from 'node:crypto'
import type { PushOutcome } from '../../clients/git/errors.ts'
import type { Git, Head } from '../../clients/git/index.ts'
import type { Context } from '../../context.ts'
import { asError, UserError } from '../../errors.ts'

/** A change of the branch: from one root tree to the next. It is asked again for each head that it is tried on. */
export interface Change {
  /** For the commit: words, label and id only. */
  readonly message: string
  /** Whether others may go into the same commit. A backup has one of its own. */
  readonly alone: boolean
  /** Root tree before (null: nothing) to root tree after; the same tree when the change is there already. */
  apply(root: string | null): Promise<string | null>
  /** Called with the commit and its tree before each push, for what must be at the server beforehand. Only for changes that are alone. */
  readonly prepare?: (commit: string, tree: string) => Promise<void>
}

/** The branch that backups are kept on. */
export interface Branch {
  /** Its tip now. */
  refresh(): Promise<Head | null>
  /** The tip when it was last seen; asks only the first time. */
  seen(): Promise<Head | null>
  /** Puts a change onto the branch; resolves when the server's branch holds it. */
  publish(change: Change): Promise<void>
  /** Moves the branch to a commit that holds the same files with less history, unless somebody else was faster. */
  squash(): Promise<void>
  /** Moves (null: deletes) a ref that only this run writes. */
  moveOwn(ref: string, commit: string | null, lease?: string): Promise<void>
  /** Repeats what may pass. */
  repeat<T>(work: () => Promise<T>): Promise<T>
}

export interface BranchOptions {
  readonly git: Git
  readonly branch: string
  /** In words for messages. */
  readonly place: string
  /** Repeats after the first try when the connection breaks. */
  readonly retries: number
  readonly context: Context
}

/** How often a push is tried while others push in between. */
const mostRaces = 20
/** Most changes in one commit. */
const mostTogether = 16

/** Half of it by chance, so that writers who met once do not meet again: up to 1 s, 2 s, 4 s ... `longest` ms. */
function backoff(attempt: number, longest: number): number {
  const most = Math.min(1000 * 2 ** attempt, longest)
  return most / 2 + randomInt(Math.ceil(most / 2))
}

export function repositoryBranch(options: BranchOptions): Branch {
  const { git, branch, context } = options
  const ref = `refs/heads/${branch}`
  let last: Promise<Head | null> | undefined
  const waiting: { change: Change; resolve: () => void; reject: (error: Error) => void }[] = []
  let working = false

  const repeat = async <T>(work: () => Promise<T>): Promise<T> => {
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await work()
      } catch (error) {
        if (!(error instanceof UserError) || !error.mayPass || attempt >= options.retries) throw error
        context.log.debug(`${options.place}: ${error.message}; another try follows`)
        await context.clock.sleep(backoff(attempt, 60_000), context.signal)
      }
    }
  }
  const refresh = async (): Promise<Head | null> => {
    const head = await repeat(() => git.fetchBranch(branch))
    last = Promise.resolve(head)
    return head
  }

  /**
   * Tries until the server's branch is what `next` makes of its tip; `next` gives null when nothing is left to do.
   *
   * A push counts when the branch of the server, read anew, holds what was pushed: ids of git are digests of all bytes below them,
   * and the server computes them from what it received, so an equal id is every file read back and compared. The same look
   * finds a push whose answer was lost.
   */
  const advance = async (
    next: (
      head: Head | null
    ) => Promise<{ readonly commit: string; readonly tree: string; readonly lease?: string } | null>
  ): Promise<PushOutcome> => {
    let losses = 0
    for (let races = 0; races <= mostRaces; races += 1) {
      if (races > 0) await context.clock.sleep(backoff(races - 1, 8000), context.signal)
      const head = await refresh()
      const step = await next(head)
      if (step === null) return { kind: 'accepted' }
      context.signal.throwIfAborted()
      const outcome = await git.push(ref, step.commit, step.lease)
      if (outcome.kind === 'refused') return outcome
      if (outcome.kind === 'unknown' && ++losses > options.retries) {
        const after = await refresh()
        if (after?.commit === step.commit || (await next(after)) === null) return { kind: 'accepted' }
        return outcome
      }
      const now = (await repeat(() => git.remoteRefs(ref))).get(ref)
      if (now === step.commit) {
        last = Promise.resolve({ commit: step.commit, tree: step.tree })
        return { kind: 'accepted' }
      }
      if (outcome.kind !== 'raced')
        context.log.debug(`${options.place}: the branch moved on or the push was lost; looking again`)
    }
    return { kind: 'raced' }
  }
  const settled = (outcome: PushOutcome): void => {
    if (outcome.kind === 'raced')
      throw new UserError('SB413', `Others pushed to ${options.place} before each of ${mostRaces + 1} tries.`)
    if (outcome.kind !== 'accepted') throw outcome.error
  }

  const work = async (): Promise<void> => {
    working = true
    for (;;) {
      const first = waiting.shift()
      if (first === undefined) {
        // In the same turn as the look above, so that no change can come in between and wait for ever.
        working = false
        return
      }
      let batch = [first]
      while (!first.change.alone && batch.length < mostTogether && waiting[0]?.change.alone === false) {
        const another = waiting.shift()
        if (another !== undefined) batch.push(another)
      }
      try {
        const outcome = await advance(async (head) => {
          let tree = head?.tree ?? null
          for (const item of batch) {
            try {
              tree = await item.change.apply(tree)
            } catch (error) {
              // What one change cannot do is told to its caller; the others go on.
              item.reject(asError(error))
              batch = batch.filter((other) => other !== item)
            }
          }
          if (batch.length === 0 || tree === (head?.tree ?? null)) return null
          const kept = tree ?? (await git.writeTree([]))
          if (kept === head?.tree) return null
          const message = [...new Set(batch.map((item) => item.change.message))].join('\n')
          const commit = await git.writeCommit({ tree: kept, parents: head === null ? [] : [head.commit], message })
          await first.change.prepare?.(commit, kept)
          return { commit, tree: kept }
        })
        settled(outcome)
        for (const item of batch) item.resolve()
      } catch (error) {
        for (const item of batch) item.reject(asError(error))
      }
    }
  }

  return {
    refresh,
    seen: () => last ?? refresh(),
    repeat,

    publish: (change) =>
      new Promise<void>((resolve, reject) => {
        waiting.push({ change, resolve, reject })
        // Every error inside is told to the change that it concerns.
        if (!working) void work()
      }),

    async squash() {
      let told = false
      const outcome = await advance(async (head) => {
        if (head === null) return null
        const { count, base } = await repeat(() => git.ownHistory(head.commit))
        if (base !== null && !told) {
          told = true
          context.log.info(
            `${options.place}: commits of others are kept, and with them what was deleted before the newest of them.`
          )
        }
        if (count <= 1) return null
        if (base !== null) await repeat(() => git.fetchCommit(base))
        // The repository here is shallow at `head`, so git counts all that `head` holds as known to the server and sends one commit.
        const commit = await git.writeCommit({
          tree: head.tree,
          parents: base === null ? [] : [base],
          message: 'Backups kept'
        })
        return { commit, tree: head.tree, lease: head.commit }
      })
      if (outcome.kind === 'refused' && outcome.forced) {
        context.log.warning(
          `${options.place}: the space of deleted backups is not freed, since the branch may not be moved by force: ${outcome.error.message} ` +
            'Allow force pushes on this branch for the owner of the token to free it.'
        )
        return
      }
      settled(outcome)
    },

    async moveOwn(own, commit, lease) {
      for (let attempt = 0; ; attempt += 1) {
        const outcome = await git.push(own, commit, lease)
        if (outcome.kind === 'accepted') return
        // The answer may have been lost; and what another run has done in between is seen here, too.
        const now = (await repeat(() => git.remoteRefs(own))).get(own) ?? null
        if (now === commit) return
        if (outcome.kind === 'refused') throw outcome.error
        if (attempt >= options.retries) {
          throw outcome.kind === 'unknown'
            ? outcome.error
            : new UserError('SB413', `Somebody else moved ${own} of ${options.place}.`)
        }
        await context.clock.sleep(backoff(attempt, 60_000), context.signal)
      }
    }
  }
}
