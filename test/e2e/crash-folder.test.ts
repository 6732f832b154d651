import { crashObjectsSuite } from './crash-objects-suite.ts'
import { folderPlace } from './crash-places.ts'
import { crashSuite } from './crash-suite.ts'

crashSuite(folderPlace, 'folder')
crashObjectsSuite(folderPlace, 'folder')
