//! Tests that look at the whole process, its memory and its log, so that other tests must not run beside them.

mod bomb;
mod secrets;
#[path = "../api/support.rs"]
mod support;

/// The binary's allocator, on which it depends what a freed body still costs.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
