/** Where the run is and what it may link to. */
export interface SummaryPlace {
  /** `https://github.com`, for links; links are left out where it is not https. */
  readonly serverUrl: string
  /** `owner/name` that the workflow runs in. */
  readonly repository: string | undefined
  /** Where this action itself lies on the same server, as in `owner/name` and `v1`: for links to its documentation. */
  readonly action?: { readonly repository: string; readonly ref: string } | undefined
  readonly now: Date
}

/** Where a page of this action's documentation lies; null where that is not known. `page` as in `docs/keys.md#anchor`. */
export function guideUrl({ action, serverUrl }: SummaryPlace, page: string): string | null {
  return action === undefined ? null : `${serverUrl}/${action.repository}/blob/${action.ref}/${page}`
}
