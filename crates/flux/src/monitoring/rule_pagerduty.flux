import "influxdata/influxdb/monitor"
import "pagerduty"
import "influxdata/influxdb/secrets"
import "experimental"

option task = {name: "n", every: 1h30m, offset: 1s}

pagerduty_secret = secrets["get"](key: "c-routing-key")
pagerduty_endpoint = pagerduty["endpoint"]()
notification = {_notification_rule_id: "000000000000000b", _notification_rule_name: "n", _notification_endpoint_id: "000000000000000c", _notification_endpoint_name: "e"}
statuses = monitor["from"](start: -2h30m)
any_to_crit = statuses |> monitor["stateChanges"](fromLevel: "any", toLevel: "crit")
all_statuses = any_to_crit |> filter(fn: (r) => r["_time"] >= experimental["subDuration"](from: now(), d: 1h30m))

all_statuses |> monitor["notify"](
    data: notification,
    endpoint: pagerduty_endpoint(
        mapFn: (r) => ({
            routingKey: pagerduty_secret,
            client: "influxdata",
            clientURL: "http://localhost:7777/host/\${r.host}",
            class: r["_check_name"],
            group: r["_source_measurement"],
            severity: pagerduty["severityFromLevel"](level: r["_level"]),
            eventAction: pagerduty["actionFromLevel"](level: r["_level"]),
            source: notification["_notification_rule_name"],
            summary: r["_message"],
            timestamp: time(v: r["_source_timestamp"]),
        }),
    ),
)
