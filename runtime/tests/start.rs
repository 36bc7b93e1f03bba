//! What the `skeg` binary brings of its own to its start, which cargo can't test there: its `main` is not the harness's.

#[path = "../src/start/sys/heap.rs"]
mod heap;
#[cfg(target_arch = "x86_64")]
#[path = "../src/start/sys/memory.rs"]
mod memory;
