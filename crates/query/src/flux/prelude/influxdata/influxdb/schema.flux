// What is in a bucket.
package schema

_read = (bucket, start, stop, predicate) =>
    from(bucket: bucket) |> range(start: start, stop: stop) |> filter(fn: predicate)

tagValues = (bucket, tag, predicate=(r) => true, start=-30d, stop=now()) =>
    _read(bucket: bucket, start: start, stop: stop, predicate: predicate)
        |> keep(columns: [tag])
        |> group()
        |> distinct(column: tag)
tagKeys = (bucket, predicate=(r) => true, start=-30d, stop=now()) =>
    _read(bucket: bucket, start: start, stop: stop, predicate: predicate)
        |> keys()
        |> keep(columns: ["_value"])
        |> distinct()
        |> map(fn: (r) => ({_value: r._value, isTag: r._value != "_start" and r._value != "_stop"}))
        |> sort(columns: ["isTag", "_value"])
        |> keep(columns: ["_value"])
fieldKeys = (bucket, predicate=(r) => true, start=-30d, stop=now()) =>
    tagValues(bucket: bucket, tag: "_field", predicate: predicate, start: start, stop: stop)
measurements = (bucket, start=-30d, stop=now()) =>
    tagValues(bucket: bucket, tag: "_measurement", start: start, stop: stop)
measurementFieldKeys = (bucket, measurement, start=-30d, stop=now()) =>
    fieldKeys(bucket: bucket, predicate: (r) => r._measurement == measurement, start: start, stop: stop)
measurementTagKeys = (bucket, measurement, start=-30d, stop=now()) =>
    tagKeys(bucket: bucket, predicate: (r) => r._measurement == measurement, start: start, stop: stop)
measurementTagValues = (bucket, measurement, tag, start=-30d, stop=now()) =>
    tagValues(bucket: bucket, tag: tag, predicate: (r) => r._measurement == measurement, start: start, stop: stop)
fieldsAsCols = (tables=<-) => tables |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")
