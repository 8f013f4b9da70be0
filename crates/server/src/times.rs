//! Times and durations as Go prints them, which is what clients parse.

use std::time::Duration;

use chrono::DateTime;

/// RFC3339Nano in UTC: `2024-05-01T12:00:00.123456789Z`, without zeros at the end of the fraction.
pub(crate) fn rfc3339_nano(time_ns: i64) -> String {
    let text = DateTime::from_timestamp_nanos(time_ns).format("%Y-%m-%dT%H:%M:%S%.9f").to_string();
    format!("{}Z", text.trim_end_matches('0').trim_end_matches('.'))
}

/// The date of a cookie: `Mon, 02 Jan 2006 15:04:05 GMT`.
pub(crate) fn http_date(time_ns: i64) -> String {
    DateTime::from_timestamp_nanos(time_ns).format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// A duration as Go prints it, in hours, minutes and seconds: `1h0m2.5s`.
pub(crate) fn go_duration(duration: Duration) -> String {
    let (hours, minutes, seconds) = (duration.as_secs() / 3600, duration.as_secs() / 60 % 60, duration.as_secs() % 60);
    let fraction = format!("{:09}", duration.subsec_nanos());
    let fraction = fraction.trim_end_matches('0');
    let seconds = if fraction.is_empty() { seconds.to_string() } else { format!("{seconds}.{fraction}") };
    match (hours, minutes) {
        (0, 0) => format!("{seconds}s"),
        (0, _) => format!("{minutes}m{seconds}s"),
        _ => format!("{hours}h{minutes}m{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_as_go_prints_them() {
        for (time_ns, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (1_714_564_800_123_456_789, "2024-05-01T12:00:00.123456789Z"),
            (1_714_564_800_500_000_000, "2024-05-01T12:00:00.5Z"),
            (1_714_564_810_000_000_000, "2024-05-01T12:00:10Z"),
            (i64::MIN, "1677-09-21T00:12:43.145224192Z"),
            (i64::MAX, "2262-04-11T23:47:16.854775807Z"),
        ] {
            assert_eq!(rfc3339_nano(time_ns), expected);
        }
        assert_eq!(http_date(1_714_564_800_123_456_789), "Wed, 01 May 2024 12:00:00 GMT");
    }

    #[test]
    fn durations_as_go_prints_them() {
        for (nanos, expected) in
            [(0, "0s"), (95_514_828_295, "1m35.514828295s"), (3_600_000_000_000, "1h0m0s"), (60_500_000_000, "1m0.5s")]
        {
            assert_eq!(go_duration(Duration::from_nanos(nanos)), expected);
        }
    }
}
