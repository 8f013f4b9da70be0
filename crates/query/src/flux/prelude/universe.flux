package universe

import "experimental/table"

// Values and options.
inf = 9223372036854775807ns

builtin queryTime : () => time

option now = queryTime
option location = {zone: "UTC", offset: 0h}

today = () => {
    moment = int(v: now())
    return time(v: moment - (moment % 86400000000000 + 86400000000000) % 86400000000000)
}

builtin contains : (value: A, set: [A]) => bool
builtin die : (msg: string) => A
builtin display : (v: A) => string
builtin length : (arr: [A]) => int

// Conversions.
builtin bool : (v: A) => bool
builtin bytes : (v: A) => bytes
builtin duration : (v: A) => duration
builtin float : (v: A) => float
builtin int : (v: A) => int
builtin string : (v: A) => string
builtin time : (v: A) => time
builtin uint : (v: A) => uint

toBool = (tables=<-) => tables |> map(fn: (r) => ({r with _value: bool(v: r._value)}))
toFloat = (tables=<-) => tables |> map(fn: (r) => ({r with _value: float(v: r._value)}))
toInt = (tables=<-) => tables |> map(fn: (r) => ({r with _value: int(v: r._value)}))
toString = (tables=<-) => tables |> map(fn: (r) => ({r with _value: string(v: r._value)}))
toTime = (tables=<-) => tables |> map(fn: (r) => ({r with _value: time(v: r._value)}))
toUInt = (tables=<-) => tables |> map(fn: (r) => ({r with _value: uint(v: r._value)}))

// Where tables come from.
builtin buckets : (?org: string, ?orgID: string, ?host: string, ?token: string) => stream[A]
builtin from : (
        ?bucket: string,
        ?bucketID: string,
        ?org: string,
        ?orgID: string,
        ?host: string,
        ?token: string,
    ) => stream[A]
builtin to : (
        <-tables: stream[A],
        ?bucket: string,
        ?bucketID: string,
        ?org: string,
        ?orgID: string,
        ?host: string,
        ?token: string,
        ?timeColumn: string,
        ?measurementColumn: string,
        ?tagColumns: [string],
        ?fieldFn: (r: A) => B,
    ) => stream[A]
builtin range : (<-tables: stream[A], start: B, ?stop: C) => stream[A]
builtin filter : (<-tables: stream[A], fn: (r: A) => bool, ?onEmpty: string) => stream[A]
builtin yield : (<-tables: stream[A], ?name: string) => stream[A]

// Rows and columns.
builtin distinct : (<-tables: stream[A], ?column: string) => stream[B]
builtin drop : (<-tables: stream[A], ?fn: (column: string) => bool, ?columns: [string]) => stream[B]
builtin duplicate : (<-tables: stream[A], column: string, as: string) => stream[B]
builtin group : (<-tables: stream[A], ?mode: string, ?columns: [string]) => stream[A]
builtin keep : (<-tables: stream[A], ?columns: [string], ?fn: (column: string) => bool) => stream[B]
builtin limit : (<-tables: stream[A], n: int, ?offset: int) => stream[A]
builtin map : (<-tables: stream[A], fn: (r: A) => B, ?mergeKey: bool) => stream[B]
builtin pivot : (<-tables: stream[A], rowKey: [string], columnKey: [string], valueColumn: string) => stream[B]
builtin rename : (<-tables: stream[A], ?fn: (column: string) => string, ?columns: B) => stream[C]
builtin set : (<-tables: stream[A], key: string, value: string) => stream[A]
builtin sort : (<-tables: stream[A], ?columns: [string], ?desc: bool) => stream[A]
builtin union : (tables: [stream[A]]) => stream[A]

// Aggregates and selectors.
builtin count : (<-tables: stream[A], ?column: string) => stream[B]
builtin mean : (<-tables: stream[A], ?column: string) => stream[B]
builtin sum : (<-tables: stream[A], ?column: string) => stream[B]
builtin first : (<-tables: stream[A], ?column: string) => stream[A]
builtin last : (<-tables: stream[A], ?column: string) => stream[A]
builtin max : (<-tables: stream[A], ?column: string) => stream[A]
builtin min : (<-tables: stream[A], ?column: string) => stream[A]

// Windows.
builtin window : (
        <-tables: stream[A],
        ?every: duration,
        ?period: duration,
        ?offset: duration,
        ?location: {zone: string, offset: duration},
        ?timeColumn: string,
        ?startColumn: string,
        ?stopColumn: string,
        ?createEmpty: bool,
    ) => stream[B]

aggregateWindow = (
    every,
    period=0s,
    fn,
    offset=0s,
    location=location,
    column="_value",
    timeSrc="_stop",
    timeDst="_time",
    createEmpty=true,
    tables=<-,
) => {
    length = if period == 0s then every else period
    windows = tables |> window(
        every: every,
        period: length,
        offset: offset,
        location: location,
        createEmpty: createEmpty,
    )
    results = windows |> fn(column: column)
    filled = if createEmpty then results |> table.fill() else results
    return filled
        |> duplicate(column: timeSrc, as: timeDst)
        |> window(every: inf, timeColumn: timeDst)
}

// Numbers that describe a column.
builtin covariance : (<-tables: stream[A], columns: [string], ?pearsonr: bool, ?valueDst: string) => stream[B]
builtin histogram : (
        <-tables: stream[A],
        ?column: string,
        ?upperBoundColumn: string,
        ?countColumn: string,
        bins: [float],
        ?normalize: bool,
    ) => stream[B]
builtin histogramQuantile : (
        <-tables: stream[A],
        quantile: float,
        ?countColumn: string,
        ?upperBoundColumn: string,
        ?valueColumn: string,
        ?minValue: float,
        ?onNonmonotonic: string,
    ) => stream[B]
builtin linearBins : (start: float, width: float, count: int, ?infinity: bool) => [float]
builtin logarithmicBins : (start: float, factor: float, count: int, ?infinity: bool) => [float]
builtin mode : (<-tables: stream[A], ?column: string) => stream[B]
builtin quantile : (<-tables: stream[A], ?column: string, q: float, ?compression: float, ?method: string) => stream[A]
builtin skew : (<-tables: stream[A], ?column: string) => stream[B]
builtin spread : (<-tables: stream[A], ?column: string) => stream[B]
builtin stddev : (<-tables: stream[A], ?column: string, ?mode: string) => stream[B]

median = (tables=<-, column="_value", method="estimate_tdigest", compression=0.0) =>
    tables |> quantile(q: 0.5, column: column, method: method, compression: compression)
cov = (x, y, on, pearsonr=false) =>
    join(tables: {x: x, y: y}, on: on) |> covariance(columns: ["_value_x", "_value_y"], pearsonr: pearsonr)
pearsonr = (x, y, on) => cov(x: x, y: y, on: on, pearsonr: true)

// From row to row.
builtin cumulativeSum : (<-tables: stream[A], ?columns: [string]) => stream[B]
builtin derivative : (
        <-tables: stream[A],
        ?unit: duration,
        ?nonNegative: bool,
        ?columns: [string],
        ?timeColumn: string,
        ?initialZero: bool,
    ) => stream[B]
builtin difference : (
        <-tables: stream[A],
        ?nonNegative: bool,
        ?columns: [string],
        ?keepFirst: bool,
        ?initialZero: bool,
    ) => stream[B]
builtin elapsed : (<-tables: stream[A], ?unit: duration, ?timeColumn: string, ?columnName: string) => stream[B]
builtin exponentialMovingAverage : (<-tables: stream[A], n: int) => stream[A]
builtin holtWinters : (
        <-tables: stream[A],
        n: int,
        interval: duration,
        ?withFit: bool,
        ?column: string,
        ?timeColumn: string,
        ?seasonality: int,
    ) => stream[B]
builtin integral : (
        <-tables: stream[A],
        ?unit: duration,
        ?timeColumn: string,
        ?column: string,
        ?interpolate: string,
    ) => stream[B]
builtin movingAverage : (<-tables: stream[A], n: int) => stream[B]
builtin stateTracking : (
        <-tables: stream[A],
        fn: (r: A) => bool,
        ?countColumn: string,
        ?durationColumn: string,
        ?durationUnit: duration,
        ?timeColumn: string,
    ) => stream[B]

increase = (tables=<-, columns=["_value"]) => tables
    |> difference(nonNegative: true, columns: columns, keepFirst: true, initialZero: true)
    |> cumulativeSum(columns: columns)
stateCount = (tables=<-, fn, column="stateCount") => tables |> stateTracking(countColumn: column, fn: fn)
stateDuration = (tables=<-, fn, column="stateDuration", timeColumn="_time", unit=1s) => tables
    |> stateTracking(durationColumn: column, timeColumn: timeColumn, fn: fn, durationUnit: unit)
timedMovingAverage = (tables=<-, every, period, column="_value") => tables
    |> window(every: every, period: period)
    |> mean(column: column)
    |> duplicate(column: "_stop", as: "_time")
    |> window(every: inf)
timeWeightedAvg = (tables=<-, unit) => tables
    |> integral(unit: unit, interpolate: "linear")
    |> map(
        fn: (r) =>
            ({r with
                _value: r._value * float(v: uint(v: unit)) / float(v: int(v: r._stop) - int(v: r._start)),
            }),
    )

// Rows and columns that are filled, picked, moved and found.
builtin columns : (<-tables: stream[A], ?column: string) => stream[B]
builtin fill : (<-tables: stream[A], ?column: string, ?value: B, ?usePrevious: bool) => stream[C]
builtin findColumn : (<-tables: stream[A], fn: (key: B) => bool, column: string) => [C]
builtin findRecord : (<-tables: stream[A], fn: (key: B) => bool, idx: int) => A
builtin getColumn : (<-table: stream[A], column: string) => [B]
builtin getRecord : (<-table: stream[A], idx: int) => A
builtin join : (tables: A, ?method: string, ?on: [string]) => stream[B]
builtin keys : (<-tables: stream[A], ?column: string) => stream[B]
builtin reduce : (<-tables: stream[A], fn: (r: A, accumulator: B) => B, identity: B) => stream[C]
builtin sample : (<-tables: stream[A], n: int, ?pos: int) => stream[A]
builtin tableFind : (<-tables: stream[A], fn: (key: B) => bool) => stream[A]
builtin tail : (<-tables: stream[A], n: int, ?offset: int) => stream[A]
builtin timeShift : (<-tables: stream[A], duration: duration, ?columns: [string]) => stream[A]
builtin unique : (<-tables: stream[A], ?column: string) => stream[A]
builtin _hourSelection : (
        <-tables: stream[A],
        start: int,
        stop: int,
        ?location: {zone: string, offset: duration},
        ?timeColumn: string,
    ) => stream[A]
builtin _truncateTimeColumn : (
        <-tables: stream[A],
        unit: duration,
        ?location: {zone: string, offset: duration},
        ?timeColumn: string,
    ) => stream[A]

hourSelection = (tables=<-, start, stop, location=location, timeColumn="_time") => tables
    |> _hourSelection(start: start, stop: stop, location: location, timeColumn: timeColumn)
truncateTimeColumn = (tables=<-, unit, timeColumn="_time") => tables
    |> _truncateTimeColumn(unit: unit, location: location, timeColumn: timeColumn)

top = (tables=<-, n, columns=["_value"]) => tables |> sort(columns: columns, desc: true) |> limit(n: n)
bottom = (tables=<-, n, columns=["_value"]) => tables |> sort(columns: columns) |> limit(n: n)

// The best of the aggregates of groups.
_bestOf = (tables=<-, n, column, groupColumns, reducer, pick) => tables
    |> group(columns: groupColumns)
    |> reducer()
    |> group(columns: [])
    |> pick(n: n, columns: [column])
highestMax = (tables=<-, n, column="_value", groupColumns=[]) => tables
    |> _bestOf(
        n: n,
        column: column,
        groupColumns: groupColumns,
        reducer: (tables=<-) => tables |> max(column: column),
        pick: top,
    )
highestAverage = (tables=<-, n, column="_value", groupColumns=[]) => tables
    |> _bestOf(
        n: n,
        column: column,
        groupColumns: groupColumns,
        reducer: (tables=<-) => tables |> mean(column: column),
        pick: top,
    )
highestCurrent = (tables=<-, n, column="_value", groupColumns=[]) => tables
    |> _bestOf(
        n: n,
        column: column,
        groupColumns: groupColumns,
        reducer: (tables=<-) => tables |> last(column: column),
        pick: top,
    )
lowestMin = (tables=<-, n, column="_value", groupColumns=[]) => tables
    |> _bestOf(
        n: n,
        column: column,
        groupColumns: groupColumns,
        reducer: (tables=<-) => tables |> min(column: column),
        pick: bottom,
    )
lowestAverage = (tables=<-, n, column="_value", groupColumns=[]) => tables
    |> _bestOf(
        n: n,
        column: column,
        groupColumns: groupColumns,
        reducer: (tables=<-) => tables |> mean(column: column),
        pick: bottom,
    )
lowestCurrent = (tables=<-, n, column="_value", groupColumns=[]) => tables
    |> _bestOf(
        n: n,
        column: column,
        groupColumns: groupColumns,
        reducer: (tables=<-) => tables |> last(column: column),
        pick: bottom,
    )

// Technical analysis.
builtin chandeMomentumOscillator : (<-tables: stream[A], n: int, ?columns: [string]) => stream[B]
builtin kaufmansAMA : (<-tables: stream[A], n: int, ?column: string) => stream[B]
builtin relativeStrengthIndex : (<-tables: stream[A], n: int, ?columns: [string]) => stream[B]

doubleEMA = (tables=<-, n) => tables
    |> exponentialMovingAverage(n: n)
    |> duplicate(column: "_value", as: "__first")
    |> exponentialMovingAverage(n: n)
    |> map(fn: (r) => ({r with _value: 2.0 * r.__first - r._value}))
    |> drop(columns: ["__first"])
tripleEMA = (tables=<-, n) => tables
    |> exponentialMovingAverage(n: n)
    |> duplicate(column: "_value", as: "__first")
    |> exponentialMovingAverage(n: n)
    |> duplicate(column: "_value", as: "__second")
    |> exponentialMovingAverage(n: n)
    |> map(fn: (r) => ({r with _value: 3.0 * r.__first - 3.0 * r.__second + r._value}))
    |> drop(columns: ["__first", "__second"])
tripleExponentialDerivative = (tables=<-, n) => tables
    |> exponentialMovingAverage(n: n)
    |> exponentialMovingAverage(n: n)
    |> exponentialMovingAverage(n: n)
    |> duplicate(column: "_value", as: "__average")
    |> difference()
    |> map(fn: (r) => ({r with _value: 100.0 * r._value / (r.__average - r._value)}))
    |> drop(columns: ["__average"])
kaufmansER = (tables=<-, n) => tables
    |> chandeMomentumOscillator(n: n)
    |> map(fn: (r) => ({r with _value: (if r._value < 0.0 then -r._value else r._value) / 100.0}))
