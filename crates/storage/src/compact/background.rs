//! Threads of low priority. Whatever runs on them gives way to writes, flushes and queries when cores are short.

use std::sync::OnceLock;

use tokio::runtime::{Builder, Handle, Runtime};

/// How nice the threads are, of 0 to 19. At 15 a busy core gives them about a thirtieth of its time.
const NICENESS: i32 = 15;

/// Threads that a runtime started at the first use, which wait for it when it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Background {
    runtime: OnceLock<Option<Runtime>>,
}

impl Background {
    /// The handle of the runtime; its blocking threads are the ones that merge.
    ///
    /// # Errors
    /// If the system has no thread to give.
    pub(crate) fn handle(&self) -> Result<Handle, String> {
        let runtime = self.runtime.get_or_init(|| {
            let built = Builder::new_multi_thread()
                .worker_threads(1)
                .thread_name("compaction")
                .on_thread_start(be_nice)
                .enable_all()
                .build();
            built.inspect_err(|error| tracing::error!(%error, "compaction has no threads")).ok()
        });
        runtime.as_ref().map(|runtime| runtime.handle().clone()).ok_or_else(|| "no threads".to_owned())
    }
}

fn be_nice() {
    // On Linux the priority belongs to the thread. Without it compaction is a normal thread.
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::debug!(%error, "compaction runs with normal priority");
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // It may be dropped by a task, where waiting for threads is forbidden; what runs sees that the engine closes.
        if let Some(Some(runtime)) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
