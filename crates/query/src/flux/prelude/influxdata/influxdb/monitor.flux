// Checks, their statuses, and notifications about them.
package monitor

import "experimental"
import "influxdata/influxdb/schema"
import u "universe"

bucket = "_monitoring"
levelCrit = "crit"
levelWarn = "warn"
levelInfo = "info"
levelOK = "ok"
levelUnknown = "unknown"

option write = (tables=<-) => tables |> experimental.to(bucket: bucket)
option log = (tables=<-) => tables |> experimental.to(bucket: bucket)

_read = (measurement, start, stop, fn) => u.from(bucket: bucket)
    |> range(start: start, stop: stop)
    |> filter(fn: (r) => r._measurement == measurement)
    |> filter(fn: fn)
    |> schema.fieldsAsCols()

from = (start, stop=now(), fn=(r) => true) => _read(measurement: "statuses", start: start, stop: stop, fn: fn)
logs = (start, stop=now(), fn) => _read(measurement: "notifications", start: start, stop: stop, fn: fn)

// Levels as numbers, so that their changes are differences.
_rank = (level) =>
    if level == levelCrit then 4
    else if level == levelWarn then 3
    else if level == levelInfo then 2
    else if level == levelOK then 1
    else 0

// Rows whose level is another one than that of the row before.
_changes = (tables=<-, fn) => tables
    |> map(fn: (r) => ({r with __level: r._level, __rank: _rank(level: r._level), __change: _rank(level: r._level)}))
    |> drop(columns: ["_level"])
    |> rename(columns: {__level: "_level"})
    |> sort(columns: ["_source_timestamp", "_time"])
    |> difference(columns: ["__change"])
    |> filter(fn: (r) => r.__change != 0 and fn(before: r.__rank - r.__change, after: r.__rank))
    |> drop(columns: ["__rank", "__change"])
    |> experimental.group(mode: "extend", columns: ["_level"])

stateChangesOnly = (tables=<-) => tables |> _changes(fn: (before, after) => true)
stateChanges = (tables=<-, fromLevel="any", toLevel="any") => tables
    |> _changes(
        fn: (before, after) =>
            (fromLevel == "any" or before == _rank(level: fromLevel)) and (toLevel == "any"
                    or
                    after == _rank(level: toLevel)),
    )

deadman = (tables=<-, t) => tables
    |> max(column: "_time")
    |> map(fn: (r) => ({r with dead: r._time < t}))

check = (
        tables=<-,
        data,
        messageFn,
        crit=(r) => false,
        warn=(r) => false,
        info=(r) => false,
        ok=(r) => true,
    ) => tables
    |> experimental.set(o: data.tags)
    |> experimental.group(mode: "extend", columns: experimental.objectKeys(o: data.tags))
    |> map(
        fn: (r) =>
            ({r with
                _measurement: "statuses",
                _source_measurement: r._measurement,
                _type: data._type,
                _check_id: data._check_id,
                _check_name: data._check_name,
                _level:
                    if crit(r: r) then levelCrit
                    else if warn(r: r) then levelWarn
                    else if info(r: r) then levelInfo
                    else if ok(r: r) then levelOK
                    else levelUnknown,
                _source_timestamp: int(v: r._time),
                _time: now(),
            }),
    )
    |> map(fn: (r) => ({r with _message: messageFn(r: r)}))
    |> experimental.group(
        mode: "extend",
        columns: ["_source_measurement", "_type", "_check_id", "_check_name", "_level"],
    )
    |> write()

notify = (tables=<-, endpoint, data) => tables
    |> experimental.set(o: data)
    |> experimental.group(mode: "extend", columns: experimental.objectKeys(o: data))
    |> map(
        fn: (r) =>
            ({r with
                _measurement: "notifications",
                _status_timestamp: int(v: r._time),
                _time: now(),
            }),
    )
    |> endpoint()
    |> experimental.group(mode: "extend", columns: ["_sent"])
    |> log()
