//! Signals of skeg's own process.

use nix::errno::Errno;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

/// Writing to a closed pipe is an error of the write, not the end of the process.
pub fn ignore_sigpipe() -> Result<(), Errno> {
    let ignore = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
    // SAFETY: no handler is installed.
    #[allow(unsafe_code)]
    unsafe {
        sigaction(Signal::SIGPIPE, &ignore).map(drop)
    }
}
