import type { Glob } from '../../base/glob.ts'
import { isAddressable } from '../../clients/supabase/storage.ts'
import type { DestinationName } from '../../destinations/destination.ts'
import { errorCodes } from '../../error-codes.ts'
import type { UserError } from '../../errors.ts'
import { fittingNothing, holdsFiles, type Listing } from './listing.ts'

/** What became of the files of a backup, in numbers. */
export interface Tally {
  /** In the backup. */
  objects: number
  bytes: number
  downloaded: number
  unchanged: number
  /** Other than listed when they came. */
  changed: number
  /** Of those, the ones that nobody wrote to since they were listed. */
  unlike: number
  /** Listed, and the API has neither file nor row of them any more. */
  vanished: number
  /** The API knows their rows and has no files for them. */
  fileless: number
  overBudget: number
  unaddressable: number
  unreadable: number
  /** Listed, and not looked at before it broke off. */
  notReached: number
}

export function newTally(): Tally {
  return {
    objects: 0,
    bytes: 0,
    downloaded: 0,
    unchanged: 0,
    changed: 0,
    unlike: 0,
    vanished: 0,
    fileless: 0,
    overBudget: 0,
    unaddressable: 0,
    unreadable: 0,
    notReached: 0
  }
}

/** The inputs that reasons and warnings are about. */
export interface TallyOptions {
  readonly buckets: readonly Glob[]
  readonly maxDownloadBytes: number | undefined
  /** `known` is null where a place keeps nothing across runs. */
  readonly places: readonly { readonly name: DestinationName; readonly known: unknown }[]
}

/** Deleted while the backup ran, without making it incomplete: this many or one in a hundred, and no more than one in ten. */
const fewVanished = 10

/**
 * Whether files that are gone were deleted while the backup ran. An address of another project has none of the files that are listed: only one
 * that gave, or knows, at least one of them as listed (`isSameProject`) is believed, and only for a small share.
 */
export function areDeletions(
  { vanished, objects }: Pick<Tally, 'vanished' | 'objects'>,
  isSameProject: boolean
): boolean {
  const all = objects + vanished
  return isSameProject && vanished <= Math.max(fewVanished, all / 100) && vanished <= Math.max(1, all / 10)
}

/** A file or two may have been moved over others. */
const fewUnlike = 2

/**
 * Whether the files are those of another project with the same names, a clone for example: most that came are other ones than the rows of the database
 * tell of, and nobody wrote to them meanwhile.
 */
function areOfAnother({ unlike, downloaded }: Tally, { from }: Listing): boolean {
  return from === 'database' && unlike > fewUnlike && unlike * 2 > downloaded
}

/** Why the part is not whole, without names. */
export function reasonsOf(
  tally: Tally,
  brokenOff: UserError | null,
  listing: Listing,
  isSameProject: boolean,
  options: TallyOptions
): string[] {
  const reasons: string[] = []
  if (brokenOff !== null)
    reasons.push(
      `it broke off and ${tally.notReached} files were not reached (${brokenOff.code}: ${errorCodes[brokenOff.code].title})`
    )
  const idle = fittingNothing(options.buckets, listing.buckets).length
  if (idle > 0) reasons.push(`${idle} of the patterns in \`buckets\` fit no bucket of the project`)
  if (tally.overBudget > 0)
    reasons.push(`\`max-download\` (${options.maxDownloadBytes} bytes) left out ${tally.overBudget} files`)
  if (tally.unreadable > 0) reasons.push(`${tally.unreadable} files could not be read whole`)
  if (tally.unaddressable > 0)
    reasons.push(`${tally.unaddressable} files have names under which the API does not give them`)
  if (tally.fileless > 0)
    reasons.push(
      `${tally.fileless} files are missing in Storage: the project lists them, and the API has no files for them`
    )
  if (!areDeletions(tally, isSameProject) && tally.vanished > 0)
    reasons.push(
      `${tally.vanished} of ${tally.objects + tally.vanished} files are listed, and the API does not have them: deleted meanwhile, or \`supabase-url\` or the key belongs to another project, or rows lost their files`
    )
  if (areOfAnother(tally, listing))
    reasons.push(
      `${tally.unlike} of ${tally.downloaded} files that came are not those that the database tells of, though nobody wrote to them meanwhile: \`supabase-url\` or the key may belong to a copy of the project`
    )
  const unlisted = listing.buckets.filter(({ id }) => listing.from === 'api' && !isAddressable(id, 'any')).length
  if (unlisted > 0) reasons.push(`${unlisted} buckets have names under which the API does not list their files`)
  const others = listing.buckets.filter((bucket) => !holdsFiles(bucket)).length
  if (others > 0)
    reasons.push(
      `${others} analytics or vector buckets cannot be backed up; \`!<name>\` in \`buckets\` leaves one out knowingly`
    )
  return reasons
}

/** What a person should know, without names. `spent`: bytes that came over the network. */
export function warningsOf(
  tally: Tally,
  brokenOff: UserError | null,
  listing: Listing,
  spent: number,
  isSameProject: boolean,
  options: TallyOptions
): string[] {
  const warnings: string[] = []
  if (brokenOff !== null) warnings.push(`storage: ${brokenOff.message} ${brokenOff.remedy}`)
  for (const pattern of fittingNothing(options.buckets, listing.buckets))
    warnings.push(`No bucket fits ${pattern} of \`buckets\`: upper and lower case matter.`)
  if (listing.buckets.length === 0 && options.buckets.length === 0) warnings.push('The project has no Storage buckets.')
  if (tally.vanished > 0 && areDeletions(tally, isSameProject))
    warnings.push(`${tally.vanished} Storage files were deleted while the backup ran.`)
  if (listing.olderVersions > 0)
    warnings.push(
      `${listing.olderVersions} earlier versions of Storage files are not in the backup: the API gives the current ones.`
    )
  if (listing.oddMetadata > 0)
    warnings.push(
      `${listing.oddMetadata} Storage files have user metadata that are no JSON object: the files are captured without them, the database part has the rows.`
    )
  const forgetful = options.places.filter(({ known }) => known === null).map(({ name }) => name)
  if (forgetful.length > 0 && tally.downloaded > 0)
    warnings.push(
      `${forgetful.join(', ')} keeps nothing across runs: every Storage file is downloaded and stored with each backup (${spent} bytes of egress this time). release, repository and folder take only what changed.`
    )
  return warnings
}
