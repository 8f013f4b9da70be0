import "influxdata/influxdb/monitor"
import "influxdata/influxdb/v1"

data = from(bucket: "b")
    |> range(start: -1m)
    |> filter(fn: (r) => r["_field"] == "usage")
    |> aggregateWindow(every: 1m, fn: mean, createEmpty: false)

option task = {name: "cpu \"high\"", every: 1m, offset: 5s}

check = {_check_id: "000000000000000a", _check_name: "cpu \"high\"", _type: "threshold", tags: {"a key": "v\"1"}}
crit = (r) => r["usage"] > 90.0
warn = (r) => r["usage"] < (-1.5) or r["usage"] > 80.0
info = (r) => r["usage"] < 1000.0 and r["usage"] > 0.0
ok = (r) => r["usage"] < 10.0
messageFn = (r) => "it is ${r._level}"

data |> v1["fieldsAsCols"]() |> monitor["check"](
    data: check,
    messageFn: messageFn,
    crit: crit,
    warn: warn,
    info: info,
    ok: ok,
)
