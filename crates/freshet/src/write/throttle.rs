//! `--rate-limit`: so many bytes of lines a second and no more.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use crate::options::RateLimit;

/// Lets bytes pass in their turn.
pub(super) struct Throttle {
    limit: Option<RateLimit>,
    /// When the next bytes may go.
    next: Mutex<Option<Instant>>,
}

impl Throttle {
    pub(super) fn new(limit: Option<RateLimit>) -> Self {
        Self { limit, next: Mutex::new(None) }
    }

    /// Waits until these bytes may go.
    pub(super) async fn pass(&self, bytes: usize) {
        let Some(RateLimit(bytes_per_second)) = self.limit else { return };
        let start = {
            let mut next = self.next.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let now = Instant::now();
            let start = next.map_or(now, |next| next.max(now));
            *next = Some(start + Duration::from_secs_f64(bytes as f64 / bytes_per_second));
            start
        };
        tokio::time::sleep_until(start).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn bytes_wait_for_their_turn() {
        let throttle = Throttle::new(Some(RateLimit(100.0)));
        let start = Instant::now();
        throttle.pass(50).await;
        assert_eq!(start.elapsed(), Duration::ZERO);
        throttle.pass(200).await;
        throttle.pass(1).await;
        assert_eq!(start.elapsed().as_millis(), 2_500);
        Throttle::new(None).pass(usize::MAX).await;
        assert_eq!(start.elapsed().as_millis(), 2_500);
    }
}
