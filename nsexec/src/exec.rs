//! The end: the container's program.

use crate::fault::{During, Fault, Result};
use crate::report;
use crate::steps::Container;
use crate::sys::{Errno, file, process};
use skeg_proto::Op;

/// Closes every descriptor from `keep_fds` up and executes the program. Comes back only if nothing is closed yet.
pub fn exec(container: &Container<'_>, keep_fds: u32) -> Result<()> {
    let Some((path, argv, env)) = container.program() else {
        return Err(Fault::new(Op::Exec, Errno::INVAL));
    };
    // Closed, not marked close-on-exec: the kernel opens the program and its interpreter before it closes such
    // descriptors, and /proc/self/fd/N would still be one of the host's (CVE-2024-21626).
    file::close_from(keep_fds).during(Op::CloseRange)?;
    report::fail_exec(path, process::execve(path, argv, env))
}
