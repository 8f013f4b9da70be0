// Events for PagerDuty.
package pagerduty

import "http"
import "json"
import "strings"

option defaultURL = "https://events.pagerduty.com/v2/enqueue"

builtin dedupKey : (<-tables: stream[A], ?exclude: [string]) => stream[B]

severityFromLevel = (level) => {
    word = strings.toLower(v: level)

    return
        if word == "crit" then
            "critical"
        else if word == "warn" then
            "warning"
        else if word == "info" or word == "ok" then
            "info"
        else
            "error"
}

actionFromSeverity = (severity) => if strings.toLower(v: severity) == "ok" then "resolve" else "trigger"
actionFromLevel = (level) => actionFromSeverity(severity: level)

sendEvent = (
        pagerdutyURL=defaultURL,
        routingKey,
        client,
        clientURL,
        dedupKey,
        class,
        group,
        severity,
        eventAction,
        source,
        component="",
        summary,
        timestamp,
        customDetails={},
    ) => http.post(
    url: pagerdutyURL,
    headers: {"Accept": "application/vnd.pagerduty+json;version=2", "Content-Type": "application/json"},
    data: json.encode(
        v: {
            routing_key: routingKey,
            dedup_key: dedupKey,
            event_action: eventAction,
            client: client,
            client_url: clientURL,
            payload: {
                summary: summary,
                timestamp: timestamp,
                source: source,
                component: component,
                severity: severity,
                group: group,
                class: class,
                custom_details: customDetails,
            },
        },
    ),
)

endpoint = (url=defaultURL) => (mapFn) => (tables=<-) => tables
    |> dedupKey()
    |> map(
        fn: (r) => {
            it = mapFn(r: r)
            status = sendEvent(
                pagerdutyURL: url,
                routingKey: it.routingKey,
                client: it.client,
                clientURL: it.clientURL,
                dedupKey: r._pagerdutyDedupKey,
                class: it.class,
                group: it.group,
                severity: it.severity,
                eventAction: it.eventAction,
                source: it.source,
                summary: it.summary,
                timestamp: it.timestamp,
            )

            return {r with _sent: string(v: status >= 200 and status < 300)}
        },
    )
