import { crashObjectsSuite } from './crash-objects-suite.ts'
import { githubPlace } from './crash-places.ts'
import { crashSuite } from './crash-suite.ts'

crashSuite((root) => githubPlace('release', root), 'release')
crashObjectsSuite((root) => githubPlace('release', root), 'release')
