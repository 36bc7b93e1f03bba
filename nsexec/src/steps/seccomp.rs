//! The seccomp filter.

use super::Container;
use crate::fault::{During, Result};
use crate::sys::{self, AsFd};
use skeg_proto::Op;
use skeg_proto::sync::ToRuntime;

/// Loads a filter; where the plan asks for a listener, hands it to the runtime.
pub fn seccomp(container: &mut Container<'_>, filter: &[u8], flags: u16) -> Result<()> {
    let listener = sys::cred::seccomp(flags, filter).during(Op::Seccomp)?;
    if flags & sys::cred::SECCOMP_NEW_LISTENER == 0 {
        return Ok(());
    }
    let listener = sys::file::take(listener).during(Op::Seccomp)?;
    container.sync.send_fd(&ToRuntime::SeccompFd, listener.as_fd())
}
