//! Waiting for a state instead of for a time. Every wait has a deadline, so that a test which cannot succeed ends.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, timeout};

/// Long enough for a debug build on a busy machine; nothing waits so long that succeeds.
pub const DEADLINE: Duration = Duration::from_secs(120);

/// How often a state is looked at that nobody announces.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// The result of `future`.
///
/// # Panics
/// If it is not there within [`DEADLINE`].
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match timeout(DEADLINE, future).await {
        Ok(result) => result,
        Err(_) => panic!("{what} took longer than {DEADLINE:?}"),
    }
}

/// Looks again and again until `look` finds something.
///
/// # Panics
/// If it finds nothing within [`DEADLINE`].
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    within(what, async {
        let mut ticks = interval(LOOK_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Some(found) = look().await {
                return found;
            }
        }
    })
    .await
}
