/** Version of this program; equal to package.json's, which a test holds it to. */
export const version = '0.1.0'
/** Name and version as manifests carry them. */
export const tool = `supabase-backup ${version}`
