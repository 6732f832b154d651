/** Where the run is and what it may link to. */
export interface SummaryPlace {
  /** `https://github.com`, for links; links are left out where it is not https. */
  readonly serverUrl: string
  /** `owner/name` that the workflow runs in. */
  readonly repository: string | undefined
  /** File name of the workflow, for the link to a manual run. */
  readonly workflow: string | undefined
  /** Where this action itself lies on the same server, as in `owner/name` and `v1`: for links to its documentation. */
  readonly action?: { readonly repository: string; readonly ref: string } | undefined
  readonly now: Date
}
