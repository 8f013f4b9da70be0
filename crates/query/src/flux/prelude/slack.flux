// Messages to Slack.
package slack

import "http"
import "json"

option defaultURL = "https://slack.com/api/chat.postMessage"

builtin validateColorString : (color: string) => string

message = (
        url=defaultURL,
        token="",
        channel,
        text,
        color,
    ) => http.post(
    url: url,
    headers: {"Authorization": "Bearer " + token, "Content-Type": "application/json"},
    data: json.encode(
        v: {
            channel: channel,
            as_user: false,
            attachments: [{color: validateColorString(color: color), text: string(v: text), mrkdwn_in: ["text"]}],
        },
    ),
)

endpoint = (url=defaultURL, token="") => (mapFn) => (tables=<-) => tables
    |> map(
        fn: (r) => {
            it = mapFn(r: r)
            status = message(url: url, token: token, channel: it.channel, text: it.text, color: it.color)

            return {r with _sent: string(v: status >= 200 and status < 300)}
        },
    )
