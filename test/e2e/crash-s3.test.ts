import { s3Place } from './crash-s3-place.ts'
import { crashSuite } from './crash-suite.ts'

crashSuite(s3Place, 's3')
