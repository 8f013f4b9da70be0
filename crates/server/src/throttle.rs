//! Slows the guessing of passwords: after a few failed signins an address has to wait, longer with every failure.
//!
//! The table is bounded. When it is full the entry that failed longest ago is forgotten, so an attacker with many
//! addresses can only make the server forget addresses, never grow it. Nothing here sleeps.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::limits::Limits;

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: Instant,
}

/// Failed signins by address.
#[derive(Debug)]
pub(crate) struct SigninThrottle {
    failures: Mutex<HashMap<IpAddr, Failures>>,
    addresses: usize,
    free_failures: u32,
    longest_wait: Duration,
}

impl SigninThrottle {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            failures: Mutex::new(HashMap::new()),
            addresses: limits.signin_addresses.max(1),
            free_failures: limits.signin_free_failures,
            longest_wait: limits.signin_longest_wait,
        }
    }

    /// How long `address` still has to wait before its next attempt is looked at; zero if not at all.
    pub(crate) fn wait(&self, address: Option<IpAddr>, now: Instant) -> Duration {
        let Some(address) = address.map(group) else {
            return Duration::ZERO;
        };
        let Some(failures) = self.failures.lock().get(&address).copied() else {
            return Duration::ZERO;
        };
        self.penalty(failures.count).saturating_sub(now.saturating_duration_since(failures.last))
    }

    /// Notes the result of an attempt: a success forgives everything.
    pub(crate) fn note(&self, address: Option<IpAddr>, succeeded: bool, now: Instant) {
        let Some(address) = address.map(group) else { return };
        let mut table = self.failures.lock();
        if succeeded {
            table.remove(&address);
            return;
        }
        if table.len() >= self.addresses && !table.contains_key(&address) {
            self.forget_oldest(&mut table);
        }
        let entry = table.entry(address).or_insert(Failures { count: 0, last: now });
        *entry = Failures { count: entry.count.saturating_add(1), last: now };
    }

    /// One second after the free failures, then twice as long each time.
    fn penalty(&self, failures: u32) -> Duration {
        let Some(beyond) = failures.checked_sub(self.free_failures) else {
            return Duration::ZERO;
        };
        let seconds = if beyond == 0 { 0 } else { 1_u64 << (beyond - 1).min(30) };
        Duration::from_secs(seconds).min(self.longest_wait)
    }

    fn forget_oldest(&self, table: &mut HashMap<IpAddr, Failures>) {
        let oldest = table.iter().min_by_key(|(_, failures)| failures.last).map(|(address, _)| *address);
        if let Some(address) = oldest {
            table.remove(&address);
        }
    }
}

/// What counts as one address: an IPv6 customer has a /64 at least, so its last half says nothing.
fn group(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn throttle() -> SigninThrottle {
        SigninThrottle::new(&Limits { signin_addresses: 2, signin_free_failures: 2, ..Limits::default() })
    }

    #[test]
    fn failures_beyond_the_free_ones_cost_time_that_doubles() {
        let (throttle, now) = (throttle(), Instant::now());
        let address = Some(IpAddr::from([10, 0, 0, 1]));
        for expected_s in [0, 0, 1, 2, 4, 8, 16, 32, 60, 60] {
            throttle.note(address, false, now);
            assert_eq!(throttle.wait(address, now), Duration::from_secs(expected_s));
        }
        let later = now + Duration::from_secs(59);
        assert_eq!(throttle.wait(address, later), Duration::from_secs(1));
        throttle.note(address, true, later);
        assert_eq!(throttle.wait(address, later), Duration::ZERO);
    }

    #[test]
    fn the_table_forgets_the_oldest_address() {
        let (throttle, mut now) = (throttle(), Instant::now());
        let addresses = [1, 2, 3].map(|last| Some(IpAddr::from([10, 0, 0, last])));
        for address in addresses {
            for _ in 0..4 {
                throttle.note(address, false, now);
            }
            now += Duration::from_millis(1);
        }
        assert_eq!(throttle.failures.lock().len(), 2);
        assert_eq!(throttle.wait(addresses[0], now), Duration::ZERO);
        assert_ne!(throttle.wait(addresses[2], now), Duration::ZERO);
    }

    #[test]
    fn addresses_of_one_ipv6_network_count_as_one() {
        let parse = |text: &str| group(text.parse().unwrap());
        assert_eq!(parse("2001:db8::1"), parse("2001:db8::ffff:1"));
        assert_ne!(parse("2001:db8:0:1::1"), parse("2001:db8::1"));
        assert_eq!(parse("::ffff:10.0.0.1"), parse("10.0.0.1"));
    }
}
