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
