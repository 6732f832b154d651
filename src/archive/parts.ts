/** The parts of a project that can be captured. */
export const sourceNames = ['database', 'storage', 'functions', 'config'] as const
export type SourceName = (typeof sourceNames)[number]

/** How much of a source was captured. */
export const partStatuses = ['captured', 'partial', 'skipped', 'impossible'] as const
export type PartStatus = (typeof partStatuses)[number]
