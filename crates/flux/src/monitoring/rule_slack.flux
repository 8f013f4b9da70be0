import "influxdata/influxdb/monitor"
import "slack"
import "influxdata/influxdb/secrets"
import "experimental"

option task = {name: "n", every: 1h30m, offset: 1s}

slack_secret = secrets["get"](key: "c-token")
slack_endpoint = slack["endpoint"](token: slack_secret, url: "http://localhost:7777")
notification = {_notification_rule_id: "000000000000000b", _notification_rule_name: "n", _notification_endpoint_id: "000000000000000c", _notification_endpoint_name: "e"}
statuses = monitor["from"](start: -2h30m)
crit = statuses |> filter(fn: (r) => r["_level"] == "crit")
all_statuses = crit |> filter(fn: (r) => r["_time"] >= experimental["subDuration"](from: now(), d: 1h30m))

all_statuses |> monitor["notify"](data: notification, endpoint: slack_endpoint(mapFn: (r) => ({channel: "#ops", text: "${r._message}", color: if r["_level"] == "crit" then "danger" else if r["_level"] == "warn" then "warning" else "good"})))
