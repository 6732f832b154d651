import { crashObjectsSuite } from './crash-objects-suite.ts'
import { githubPlace } from './crash-places.ts'
import { crashSuite } from './crash-suite.ts'

crashSuite((root) => githubPlace('artifact', root), 'artifact')
crashObjectsSuite((root) => githubPlace('artifact', root), 'artifact')
