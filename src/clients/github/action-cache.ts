import { isFeatureAvailable, restoreCache, saveCache } from '@actions/cache'
import { asError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { PackageCache } from '../postgres/package-cache.ts'

/** GitHub's cache of the repository. Outside GitHub, and where the run may only read it, it does nothing. */
export function actionCache(log: Log): PackageCache {
  return {
    async restore(paths, key) {
      if (!isFeatureAvailable()) return false
      try {
        return (await restoreCache([...paths], key)) === key
      } catch (error) {
        log.debug(`The cache could not be read: ${asError(error).message}`)
        return false
      }
    },
    async save(paths, key) {
      if (!isFeatureAvailable()) return
      try {
        await saveCache([...paths], key)
      } catch (error) {
        log.debug(`The cache could not be written: ${asError(error).message}`)
      }
    }
  }
}
