// Reading a bucket in few words.
package query

fromRange = (bucket, start, stop=now()) => from(bucket: bucket) |> range(start: start, stop: stop)
filterMeasurement = (tables=<-, measurement) => tables |> filter(fn: (r) => r._measurement == measurement)
filterFields = (tables=<-, fields=[]) =>
    if length(arr: fields) == 0 then tables else tables |> filter(fn: (r) => contains(value: r._field, set: fields))
inBucket = (bucket, measurement, start, stop=now(), fields=[], predicate=(r) => true) =>
    fromRange(bucket: bucket, start: start, stop: stop)
        |> filterMeasurement(measurement: measurement)
        |> filter(fn: predicate)
        |> filterFields(fields: fields)
