// What is in a bucket, under the name of the first package for it.
package v1

import "influxdata/influxdb"
import "influxdata/influxdb/schema"

databases = influxdb.databases
tagValues = schema.tagValues
tagKeys = schema.tagKeys
fieldKeys = schema.fieldKeys
measurements = schema.measurements
measurementFieldKeys = schema.measurementFieldKeys
measurementTagKeys = schema.measurementTagKeys
measurementTagValues = schema.measurementTagValues
fieldsAsCols = schema.fieldsAsCols
