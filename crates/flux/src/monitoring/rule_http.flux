import "influxdata/influxdb/monitor"
import "http"
import "json"
import "experimental"
import "influxdata/influxdb/secrets"

option task = {name: "n", every: 1h30m, offset: 1s}

headers = {"Content-Type": "application/json", "Authorization": http["basicAuth"](u: secrets["get"](key: "c-username"), p: secrets["get"](key: "c-password"))}
endpoint = http["endpoint"](url: "http://localhost:7777")
notification = {_notification_rule_id: "000000000000000b", _notification_rule_name: "n", _notification_endpoint_id: "000000000000000c", _notification_endpoint_name: "e"}
statuses = monitor["from"](start: -2h30m, fn: (r) => r["host"] == "a" and r["path"] !~ /^\/x/)
crit = statuses |> filter(fn: (r) => r["_level"] == "crit")
info_to_warn = statuses |> monitor["stateChanges"](fromLevel: "info", toLevel: "warn")
any = statuses |> filter(fn: (r) => true)
all_statuses = union(tables: [crit, info_to_warn, any]) |> sort(columns: ["_time"]) |> filter(fn: (r) => r["_time"] >= experimental["subDuration"](from: now(), d: 1h30m))

all_statuses |> monitor["notify"](
    data: notification,
    endpoint: endpoint(
        mapFn: (r) => {
            body = {r with _version: 1}
        
            return {headers: headers, data: json["encode"](v: body)}
        },
    ),
)
