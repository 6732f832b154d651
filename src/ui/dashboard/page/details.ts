import { formatBytes, formatCount, formatDuration, plural } from '../../../text/format.ts'
import { levelWords } from '../activity.ts'
import type { DashboardBackup, DashboardProof } from '../data.ts'
import { restoreInputs } from '../restore-inputs.ts'
import { proofBadge, statusBadge } from './badges.ts'
import { type Child, h, link, say, scrolling } from './dom.ts'
import { keyOf, type Scene } from './state.ts'
import { fromNow, time } from './times.ts'

/** Everything about one backup, and what to copy to get it back. The caller shows it; `closed` is called when it was closed. */
export function details(scene: Scene, closed: () => void): HTMLDialogElement | undefined {
  const backup = scene.data.backups.find((one) => keyOf(one) === scene.state.open)
  if (backup === undefined) return undefined
  const dialog = h('dialog', { class: 'details', 'aria-labelledby': 'details-title' })
  const close = h('button', { type: 'button', class: 'button', click: () => dialog.close() }, 'Close')
  dialog.append(
    h(
      'div',
      { class: 'inside' },
      h(
        'div',
        { class: 'head' },
        h(
          'div',
          {},
          h('h2', { id: 'details-title', tabindex: -1 }, `Backup of ${backup.project}`),
          h('p', { class: 'hint' }, time(backup.createdAt, 'full'), `, ${fromNow(backup.createdAt, scene.now)}`)
        ),
        close
      ),
      h(
        'p',
        { class: 'badges' },
        statusBadge(backup),
        proofBadge(backup.verified),
        backup.pinned ? h('span', { class: 'tag' }, 'pinned') : undefined
      ),
      backup.note === undefined
        ? undefined
        : h('p', { class: 'note' }, `It cannot be opened by this version: ${backup.note}.`),
      h(
        'div',
        { class: 'idline' },
        h('code', {}, backup.id),
        copyButton('Copy the id', () => backup.id)
      ),
      facts(backup),
      h('h3', {}, 'Get it back'),
      h(
        'p',
        { class: 'hint' },
        'Inputs for a step that uses this action',
        ...(scene.data.repository === null
          ? ['.']
          : [', or for the manual run under ', link(`${scene.data.repository.url}/actions`, 'Actions'), '.'])
      ),
      ...(backup.status === 'unreadable'
        ? []
        : restoreInputs(backup, scene.data.places).map((one, index) =>
            h(
              'details',
              { class: 'inputs', open: index === 0 },
              h('summary', {}, one.title),
              h('p', { class: 'hint' }, one.hint),
              h('pre', { tabindex: 0, 'aria-label': one.title }, h('code', {}, one.yaml)),
              copyButton('Copy', () => one.yaml, `the inputs: ${one.title}`)
            )
          )),
      ...parts(backup),
      ...proofs(backup),
      ...changes(backup),
      h('h3', {}, 'Kept in'),
      h(
        'ul',
        { class: 'plain' },
        ...backup.copies.map((copy) =>
          h(
            'li',
            {},
            link(copy.url, copy.destination),
            copy.expiresAt === null ? undefined : ' until ',
            copy.expiresAt === null ? undefined : time(copy.expiresAt, 'full')
          )
        )
      )
    )
  )
  dialog.addEventListener('close', closed)
  // A click beside the dialog lands on the dialog itself: everything inside lies in a box of its own.
  dialog.addEventListener('click', (event) => {
    if (event.target === dialog) dialog.close()
  })
  return dialog
}

function facts(backup: DashboardBackup): HTMLElement {
  const fact = (name: string, value: Child | null) =>
    value === null ? undefined : h('div', {}, h('dt', {}, name), h('dd', {}, value))
  return h(
    'dl',
    { class: 'facts' },
    fact('Type', [backup.type, backup.kind].filter((one) => one !== null).join(', ') || 'not known'),
    fact('Rows', backup.rows === null ? null : formatCount(backup.rows)),
    fact('Tables', backup.tables === null ? null : formatCount(backup.tables)),
    fact('Files in Storage', backup.objects === null ? null : formatCount(backup.objects)),
    fact('Size of the database', backup.databaseBytes === null ? null : formatBytes(backup.databaseBytes)),
    fact('Stored', backup.bytes === null ? null : formatBytes(backup.bytes)),
    fact('Took', backup.durationMs === null ? null : formatDuration(backup.durationMs)),
    fact('Encryption', encryptionWords(backup)),
    fact('PostgreSQL', backup.server),
    fact('Written by', backup.tool)
  )
}

function encryptionWords(backup: DashboardBackup): string | null {
  if (backup.encryption === null) return null
  if (backup.encryption === 'none') return 'none'
  if (backup.encryption === 'age-scrypt') return 'age, by passphrase'
  return `age, ${plural(backup.recipients.length, 'recipient')}: ${backup.recipients.join(', ')}`
}

function parts(backup: DashboardBackup): HTMLElement[] {
  if (backup.parts.length === 0) return []
  return [
    h('h3', {}, 'Parts'),
    scrolling(
      'Parts of the backup',
      h(
        'table',
        {},
        h(
          'thead',
          {},
          h(
            'tr',
            {},
            h('th', { scope: 'col' }, 'Part'),
            h('th', { scope: 'col' }, 'Status'),
            h('th', { scope: 'col' }, 'What')
          )
        ),
        h(
          'tbody',
          {},
          ...backup.parts.map((part) =>
            h(
              'tr',
              {},
              h('th', { scope: 'row' }, part.source),
              h('td', {}, part.status),
              h(
                'td',
                {},
                [
                  ...(part.reason === undefined ? [] : [part.reason]),
                  ...part.counts.map(
                    ([name, value]) =>
                      `${words(name)} ${/bytes$/i.test(name) ? formatBytes(value) : formatCount(value)}`
                  )
                ].join(', ')
              )
            )
          )
        )
      )
    )
  ]
}

/** `largeObjects` as `large objects`. */
function words(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
}

function proofs(backup: DashboardBackup): HTMLElement[] {
  const title = h('h3', {}, 'Verification')
  if (backup.proofs.length === 0) return [title, h('p', {}, 'It was never verified.')]
  return [
    title,
    h(
      'ul',
      { class: 'plain' },
      ...backup.proofs.map((proof) =>
        h(
          'li',
          {},
          proof.at === null ? undefined : time(proof.at, 'full'),
          `: ${proofWords(proof)}`,
          proof.notProven.length === 0
            ? undefined
            : h('ul', {}, ...proof.notProven.map((what) => h('li', {}, `not proven: ${what}`)))
        )
      )
    )
  ]
}

function proofWords(proof: DashboardProof): string {
  return [
    proof.outcome === 'failed'
      ? `failed${proof.error === undefined ? '' : ` (${proof.error})`}`
      : `${levelWords[proof.level].toLowerCase()}${proof.later ? ', later' : ' while it was made'}`,
    ...(proof.opened ? ['opened with a key'] : []),
    ...(proof.restored > 0 ? [`${plural(proof.restored, 'table')} restored and compared`] : []),
    ...(proof.read > 0 ? [`${plural(proof.read, 'table')} read`] : []),
    ...(proof.differing > 0 ? [`${plural(proof.differing, 'table')} differing`] : []),
    ...(proof.durationMs === null ? [] : [`in ${formatDuration(proof.durationMs)}`])
  ].join(', ')
}

function changes(backup: DashboardBackup): HTMLElement[] {
  if (backup.changes.length === 0) return []
  return [
    h('h3', {}, 'Changed since the backup before'),
    h('ul', { class: 'plain' }, ...backup.changes.map((change) => h('li', {}, change)))
  ]
}

function copyButton(label: string, text: () => string, what?: string): HTMLElement {
  const button = h('button', { type: 'button', class: 'button copy' }, label)
  if (what !== undefined) button.append(h('span', { class: 'sr' }, ` ${what}`))
  button.addEventListener('click', () => {
    void copy(text()).then((done) => {
      say(done ? 'Copied.' : 'Copying is not allowed here: select the text and copy it.')
      button.classList.toggle('done', done)
      setTimeout(() => button.classList.remove('done'), 1500)
    })
  })
  return button
}

/** Where the page may not use the clipboard, as in some places that show artifacts, the old way is tried. */
async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    const area = h('textarea', { class: 'sr', 'aria-hidden': 'true', tabindex: -1 })
    area.value = text
    const dialog = document.querySelector('dialog') ?? document.body
    const before = document.activeElement
    dialog.append(area)
    area.select()
    const done = document.execCommand('copy')
    area.remove()
    if (before instanceof HTMLElement) before.focus()
    return done
  }
}
