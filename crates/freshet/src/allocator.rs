//! The allocator's options. It reads them from the environment before `main`, and has no other safe door.

use std::env;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// Milliseconds after which freed memory goes back to the system.
const PURGE_DELAY: &str = "MIMALLOC_PURGE_DELAY";

/// Freed memory goes back at once. With the allocator's own second of delay, what flushes and merges free in that
/// second is resident beside what the next ones take, and the process needs up to half as much again.
const PURGE_DELAY_MS: &str = "0";

/// Makes this process begin anew with the options of a server, unless somebody has chosen some already. On return they
/// hold, or the system does not let a program be started, and the server needs more memory.
pub(crate) fn restart_with_options() {
    if env::var_os(PURGE_DELAY).is_some() {
        return;
    }
    let Ok(program) = env::current_exe() else { return };
    let mut arguments = env::args_os();
    let mut command = Command::new(program);
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    // It returns only if it fails.
    let _error = command.args(arguments).env(PURGE_DELAY, PURGE_DELAY_MS).exec();
}
