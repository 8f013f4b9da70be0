import "influxdata/influxdb/monitor"
import "experimental"
import "influxdata/influxdb/v1"

data = from(bucket: "b") |> range(start: -10m) |> filter(fn: (r) => r["_field"] == "usage")

option task = {name: "cpu \"high\"", every: 1m, offset: 5s}

check = {_check_id: "000000000000000a", _check_name: "cpu \"high\"", _type: "deadman", tags: {"a key": "v\"1"}}
crit = (r) => r["dead"]
messageFn = (r) => "it is ${r._level}"

data
    |> v1["fieldsAsCols"]()
    |> monitor["deadman"](t: experimental["subDuration"](from: now(), d: 90s))
    |> monitor["check"](data: check, messageFn: messageFn, crit: crit)
