import { crashObjectsSuite } from './crash-objects-suite.ts'
import { githubPlace } from './crash-places.ts'
import { crashSuite } from './crash-suite.ts'

crashSuite((root) => githubPlace('repository', root), 'repository')
crashObjectsSuite((root) => githubPlace('repository', root), 'repository')
