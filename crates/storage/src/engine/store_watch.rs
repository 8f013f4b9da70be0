//! Whether a cloud's object store answers: asked once at the start, so that a wrong name or key is seen before the
//! first flush, and then only while it fails. A store that is well is asked for nothing.

use std::sync::Weak;

use tokio::sync::watch;

use super::Inner;
use crate::limits;

/// Asks until the engine closes or is dropped.
pub(super) async fn watch_loop(engine: Weak<Inner>, mut closing: watch::Receiver<bool>) {
    let mut is_first = true;
    loop {
        {
            let Some(engine) = engine.upgrade() else { return };
            let Some(health) = engine.store.health() else { return };
            if is_first || health.failing().is_some() {
                engine.probe_store().await;
            }
            is_first = false;
        }
        tokio::select! {
            () = tokio::time::sleep(limits::STORE_PROBE_INTERVAL) => {}
            _ = closing.wait_for(|closing| *closing) => return,
        }
    }
}

impl Inner {
    /// Asks for the end of the newest file.
    async fn probe_store(&self) {
        let newest = {
            let state = self.shared.lock();
            let files = state.tables.values().flat_map(|table| table.files.iter());
            files.max_by_key(|file| file.file).map(|file| (file.path.clone(), file.size_bytes))
        };
        self.store.probe(newest.as_ref().map(|(path, size_bytes)| (path.as_str(), *size_bytes))).await;
    }
}
