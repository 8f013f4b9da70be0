//! Notification rules: which statuses are meant, and what is sent about each of them.

use super::{Level, MonitoringError, Result, duration, expression, formatted, quoted, task_option, template};
use crate::ast::Expression;
use crate::literal;

/// A notification rule.
#[derive(Debug, Clone, Copy)]
pub struct RuleScript<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its name.
    pub name: &'a str,
    /// The id of the endpoint.
    pub endpoint_id: &'a str,
    /// The name of the endpoint.
    pub endpoint_name: &'a str,
    /// How often it looks.
    pub every: &'a str,
    /// How much later.
    pub offset: Option<&'a str>,
    /// Tags that a status must have.
    pub tags: &'a [TagRule],
    /// Levels that a status must have or change to.
    pub statuses: &'a [StatusRule],
    /// How it is sent.
    pub sender: &'a Sender,
}

/// A tag that a status must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagRule {
    /// The tag.
    pub key: String,
    /// Its value, or an expression for it.
    pub value: String,
    /// How they are compared.
    pub operator: TagOperator,
}

/// How a tag is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TagOperator {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Matches,
    /// `!~`
    MatchesNot,
}

/// A level, or a change to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusRule {
    /// The level before; none if it makes no difference.
    pub previous: Option<Level>,
    /// The level.
    pub current: Level,
}

/// How and where to a notification is sent. Keys are those of secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sender {
    /// A request with the status as JSON.
    Http {
        /// The address.
        url: String,
        /// What it says of itself.
        authorization: Authorization,
    },
    /// A message to Slack.
    Slack {
        /// The address.
        url: String,
        /// The key of the token; none for a webhook.
        token_key: Option<String>,
        /// The channel.
        channel: String,
        /// The message.
        message: String,
    },
    /// An event for PagerDuty.
    PagerDuty {
        /// The address, where it is not that of PagerDuty in the United States.
        url: Option<String>,
        /// The key of the routing key.
        routing_key: String,
        /// Where a link in the event leads to.
        client_url: String,
    },
}

/// What a request says of who sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authorization {
    /// Nothing.
    None,
    /// A token.
    Bearer {
        /// Its key.
        token_key: String,
    },
    /// A name and a password.
    Basic {
        /// The key of the name.
        username_key: String,
        /// The key of the password.
        password_key: String,
    },
}

fn secret(key: &str) -> String {
    format!("secrets[\"get\"](key: {})", quoted(key))
}

impl TagRule {
    fn write(&self) -> Result<String> {
        let (operator, value) = match self.operator {
            TagOperator::Equal => ("==", quoted(&self.value)),
            TagOperator::NotEqual => ("!=", quoted(&self.value)),
            TagOperator::Matches => ("=~", regexp(&self.value)?),
            TagOperator::MatchesNot => ("!~", regexp(&self.value)?),
        };
        Ok(format!("r[{}] {operator} {value}", quoted(&self.key)))
    }
}

fn regexp(pattern: &str) -> Result<String> {
    let written = format!("/{}/", pattern.replace('/', "\\/"));
    match expression(&written) {
        Some(Expression::Regexp(literal)) if literal.value == literal::regexp(&written) => Ok(written),
        _ => Err(MonitoringError::Regexp(pattern.to_owned())),
    }
}

/// A duration that is longer by one of its first unit: the statuses of the time before are looked at too, as a change
/// has two of them.
fn longer(every: &str) -> Result<String> {
    let wrong = || MonitoringError::Duration("every", every.to_owned());
    let digits = every.find(|character: char| !character.is_ascii_digit()).ok_or_else(wrong)?;
    let (count, rest) = every.split_at(digits);
    let count: i64 = count.parse().map_err(|_| wrong())?;
    Ok(format!("{}{rest}", count.checked_add(1).ok_or_else(wrong)?))
}

impl StatusRule {
    /// The name of its statuses in the script, and what they are.
    fn write(self) -> (String, String) {
        let current = self.current.word();
        match (self.previous, self.current) {
            (None, Level::Any) => ("any".to_owned(), "filter(fn: (r) => true)".to_owned()),
            (None, _) => (current.to_owned(), format!("filter(fn: (r) => r[\"_level\"] == \"{current}\")")),
            (Some(previous), _) => {
                let previous = previous.word();
                let changes = format!("monitor[\"stateChanges\"](fromLevel: \"{previous}\", toLevel: \"{current}\")");
                (format!("{previous}_to_{current}"), changes)
            }
        }
    }
}

impl Sender {
    fn imports(&self) -> &'static [&'static str] {
        match self {
            Self::Http { authorization: Authorization::None, .. } => {
                &["influxdata/influxdb/monitor", "http", "json", "experimental"]
            }
            Self::Http { .. } => {
                &["influxdata/influxdb/monitor", "http", "json", "experimental", "influxdata/influxdb/secrets"]
            }
            Self::Slack { .. } => {
                &["influxdata/influxdb/monitor", "slack", "influxdata/influxdb/secrets", "experimental"]
            }
            Self::PagerDuty { .. } => {
                &["influxdata/influxdb/monitor", "pagerduty", "influxdata/influxdb/secrets", "experimental"]
            }
        }
    }

    /// The endpoint, by name, and what is sent.
    fn write(&self) -> Result<(String, &'static str, String)> {
        Ok(match self {
            Self::Http { url, authorization } => {
                let authorization = match authorization {
                    Authorization::None => String::new(),
                    Authorization::Bearer { token_key } => {
                        format!(", \"Authorization\": \"Bearer \" + {}", secret(token_key))
                    }
                    Authorization::Basic { username_key, password_key } => format!(
                        ", \"Authorization\": http[\"basicAuth\"](u: {}, p: {})",
                        secret(username_key),
                        secret(password_key)
                    ),
                };
                let endpoint = format!(
                    "headers = {{\"Content-Type\": \"application/json\"{authorization}}}\nendpoint = \
                     http[\"endpoint\"](url: {})\n",
                    quoted(url)
                );
                let sent = "{body = {r with _version: 1} return {headers: headers, data: json[\"encode\"](v: body)}}";
                (endpoint, "endpoint", sent.to_owned())
            }
            Self::Slack { url, token_key, channel, message } => {
                let token = token_key.as_ref().map_or_else(|| quoted(""), |key| secret(key));
                let endpoint = format!(
                    "slack_secret = {token}\nslack_endpoint = slack[\"endpoint\"](token: slack_secret, url: {})\n",
                    quoted(url)
                );
                let sent = format!(
                    "({{channel: {}, text: {}, color: if r[\"_level\"] == \"crit\" then \"danger\" else if \
                     r[\"_level\"] == \"warn\" then \"warning\" else \"good\"}})",
                    quoted(channel),
                    template(message)?
                );
                (endpoint, "slack_endpoint", sent)
            }
            Self::PagerDuty { url, routing_key, client_url } => {
                let url = url.as_ref().map(|url| format!("url: {}", quoted(url))).unwrap_or_default();
                let endpoint = format!(
                    "pagerduty_secret = {}\npagerduty_endpoint = pagerduty[\"endpoint\"]({url})\n",
                    secret(routing_key)
                );
                let sent = format!(
                    "({{routingKey: pagerduty_secret, client: \"influxdata\", clientURL: {}, class: \
                     r[\"_check_name\"], group: r[\"_source_measurement\"], severity: \
                     pagerduty[\"severityFromLevel\"](level: r[\"_level\"]), eventAction: \
                     pagerduty[\"actionFromLevel\"](level: r[\"_level\"]), source: \
                     notification[\"_notification_rule_name\"], summary: r[\"_message\"], timestamp: time(v: \
                     r[\"_source_timestamp\"])}})",
                    quoted(client_url)
                );
                (endpoint, "pagerduty_endpoint", sent)
            }
        })
    }
}

impl RuleScript<'_> {
    /// Its script.
    ///
    /// # Errors
    /// What is wrong with a duration, an expression or the message, or that no status is meant.
    pub fn write(&self) -> Result<String> {
        let mut script: String = self.sender.imports().iter().map(|path| format!("import \"{path}\"\n")).collect();
        let every = duration("every", self.every)?;
        script.push_str(&task_option(self.name, every, self.offset)?);
        let (endpoint, endpoint_name, sent) = self.sender.write()?;
        script.push_str(&endpoint);
        script.push_str(&format!(
            "notification = {{_notification_rule_id: {}, _notification_rule_name: {}, _notification_endpoint_id: {}, \
             _notification_endpoint_name: {}}}\n",
            quoted(self.id),
            quoted(self.name),
            quoted(self.endpoint_id),
            quoted(self.endpoint_name),
        ));
        let tags = self.tags.iter().map(TagRule::write).collect::<Result<Vec<String>>>()?;
        let tags = if tags.is_empty() { String::new() } else { format!(", fn: (r) => {}", tags.join(" and ")) };
        script.push_str(&format!("statuses = monitor[\"from\"](start: -{}{tags})\n", longer(every)?));
        let mut names = Vec::new();
        for (name, statuses) in self.statuses.iter().map(|rule| rule.write()) {
            if !names.contains(&name) {
                script.push_str(&format!("{name} = statuses |> {statuses}\n"));
                names.push(name);
            }
        }
        let all = match names.as_slice() {
            [] => return Err(MonitoringError::NoStatusRule),
            [one] => one.clone(),
            several => format!("union(tables: [{}]) |> sort(columns: [\"_time\"])", several.join(", ")),
        };
        script.push_str(&format!(
            "all_statuses = {all} |> filter(fn: (r) => r[\"_time\"] >= experimental[\"subDuration\"](from: now(), d: \
             {every}))\nall_statuses |> monitor[\"notify\"](data: notification, endpoint: {endpoint_name}(mapFn: \
             (r) => {sent}))"
        ));
        formatted(&script)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn rule(tags: &[TagRule], statuses: &[StatusRule], sender: &Sender) -> Result<String> {
        let rule = RuleScript {
            id: "000000000000000b",
            name: "n",
            endpoint_id: "000000000000000c",
            endpoint_name: "e",
            every: "1h30m",
            offset: Some("1s"),
            tags,
            statuses,
            sender,
        };
        rule.write()
    }

    fn level(previous: Option<Level>, current: Level) -> StatusRule {
        StatusRule { previous, current }
    }

    #[test]
    fn senders_have_the_forms_of_influxdb() {
        let tags = [
            TagRule { key: "host".to_owned(), value: "a".to_owned(), operator: TagOperator::Equal },
            TagRule { key: "path".to_owned(), value: "^/x".to_owned(), operator: TagOperator::MatchesNot },
        ];
        let statuses = [
            level(None, Level::Crit),
            level(Some(Level::Info), Level::Warn),
            level(None, Level::Any),
            level(None, Level::Crit),
        ];
        let url = "http://localhost:7777".to_owned();
        let basic =
            Authorization::Basic { username_key: "c-username".to_owned(), password_key: "c-password".to_owned() };
        let http = Sender::Http { url: url.clone(), authorization: basic };
        assert_eq!(rule(&tags, &statuses, &http).unwrap(), include_str!("rule_http.flux").trim_end());
        let slack = Sender::Slack {
            url,
            token_key: Some("c-token".to_owned()),
            channel: "#ops".to_owned(),
            message: "${ r._message }".to_owned(),
        };
        assert_eq!(rule(&[], &[level(None, Level::Crit)], &slack).unwrap(), include_str!("rule_slack.flux").trim_end());
        let pagerduty = Sender::PagerDuty {
            url: None,
            routing_key: "c-routing-key".to_owned(),
            client_url: "http://localhost:7777/host/${r.host}".to_owned(),
        };
        let statuses = [level(Some(Level::Any), Level::Crit)];
        assert_eq!(rule(&[], &statuses, &pagerduty).unwrap(), include_str!("rule_pagerduty.flux").trim_end());
    }

    #[test]
    fn what_cannot_be_written_is_told() {
        let bearer = Authorization::Bearer { token_key: "k".to_owned() };
        let http = Sender::Http { url: "http://a".to_owned(), authorization: bearer };
        assert_eq!(rule(&[], &[], &http), Err(MonitoringError::NoStatusRule));
        let tag = TagRule { key: "a".to_owned(), value: "(".to_owned(), operator: TagOperator::Matches };
        let written = rule(&[tag], &[level(None, Level::Ok)], &http).unwrap();
        assert!(written.contains("=~ /(/"), "the engine says what is wrong with it: {written}");
        assert!(longer("9223372036854775807h").is_err());
        assert_eq!(longer("1h30m").unwrap(), "2h30m");
    }
}
