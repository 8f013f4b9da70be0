// Functions on trial.
package experimental

import "date"
import "influxdata/influxdb"
import u "universe"

builtin catch : (fn: () => A) => {value: A, code: uint, msg: string}
builtin chain : (first: stream[A], second: stream[B]) => stream[B]
builtin diff : (<-got: stream[A], want: stream[A]) => stream[B]
builtin fill : (<-tables: stream[A], ?value: B, ?usePrevious: bool) => stream[C]
builtin group : (<-tables: stream[A], columns: [string], mode: string) => stream[A]
builtin join : (<-left: stream[A], right: stream[B], fn: (left: A, right: B) => C) => stream[C]
builtin objectKeys : (o: A) => [string]
builtin preview : (<-tables: stream[A], ?nrows: int, ?ntables: int) => stream[A]
builtin set : (<-tables: stream[A], o: B) => stream[C]
builtin unpivot : (<-tables: stream[A], ?otherColumns: [string]) => stream[B]

// Rows of pivoted fields, as experimental.to of InfluxDB takes them.
to = influxdb.wideTo

addDuration = (d, to, location=location) => date.add(d: d, to: to, location: location)
subDuration = (d, from, location=location) => date.sub(d: d, from: from, location: location)
alignTime = (tables=<-, alignTo=1970-01-01T00:00:00Z) => tables
    |> stateDuration(fn: (r) => true, column: "timeDiff", unit: 1ns)
    |> map(fn: (r) => ({r with _time: time(v: int(v: alignTo) + r.timeDiff)}))
    |> drop(columns: ["timeDiff"])

// Those of the universe, for the column _value.
count = (tables=<-) => tables |> u.count()
cumulativeSum = (tables=<-) => tables |> u.cumulativeSum()
distinct = (tables=<-) => tables |> u.distinct()
first = (tables=<-) => tables |> u.first()
histogram = (tables=<-, bins, normalize=false) => tables |> u.histogram(bins: bins, normalize: normalize)
histogramQuantile = (tables=<-, quantile, minValue=0.0) => tables
    |> u.histogramQuantile(quantile: quantile, minValue: minValue)
integral = (tables=<-, unit=1s, interpolate="") => tables
    |> u.integral(unit: unit, interpolate: interpolate)
last = (tables=<-) => tables |> u.last()
max = (tables=<-) => tables |> u.max()
mean = (tables=<-) => tables |> u.mean()
min = (tables=<-) => tables |> u.min()
mode = (tables=<-) => tables |> u.mode()
quantile = (tables=<-, q, compression=0.0, method="estimate_tdigest") => tables
    |> u.quantile(q: q, compression: compression, method: method)
skew = (tables=<-) => tables |> u.skew()
spread = (tables=<-) => tables |> u.spread()
stddev = (tables=<-, mode="sample") => tables |> u.stddev(mode: mode)
sum = (tables=<-) => tables |> u.sum()
unique = (tables=<-) => tables |> u.unique()
window = (tables=<-, every=0s, period=0s, offset=0s, location=location, createEmpty=false) => tables
    |> u.window(every: every, period: period, offset: offset, location: location, createEmpty: createEmpty)
