//! Signals of skeg's own process.

use nix::errno::Errno;

/// Writing to a closed pipe becomes an error of the write instead of the end of the process.
pub fn ignore_sigpipe() -> Result<(), Errno> {
    crate::sys::ignore_sigpipe()
}
