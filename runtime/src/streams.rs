//! The standard streams of skeg's own process.

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use std::os::fd::IntoRawFd;

/// Opens the null device in the place of those that the caller has closed: the next file that is opened would be a
/// standard stream otherwise, and get what is meant for people, or be taken for the container's.
pub fn fill_closed() -> Result<(), Errno> {
    for is_open in crate::sys::are_standard_streams_open()? {
        if !is_open {
            // It becomes the lowest that is free, which is this one. Nobody closes it any more.
            let _ = open("/dev/null", OFlag::O_RDWR, Mode::empty())?.into_raw_fd();
        }
    }
    Ok(())
}
