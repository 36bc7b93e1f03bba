//! `--pidfd-socket`: the caller gets a pidfd of the process.

use super::Error;
use super::error::syscall;
use crate::console;
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use nix::unistd::Pid;
use std::io::IoSlice;
use std::os::fd::AsRawFd;
use std::path::Path;

/// Connects and sends a pidfd by SCM_RIGHTS, with runc's word for the kind of process as data.
pub(super) fn send(path: &Path, pid: Pid, kind: &str) -> Result<(), Error> {
    let socket = console::connect_socket(path, "--pidfd-socket")?;
    let pidfd = crate::sys::pidfd_open(pid.as_raw()).map_err(syscall("open a pidfd"))?;
    let fds = [pidfd.as_raw_fd()];
    let data = [IoSlice::new(kind.as_bytes())];
    sendmsg::<()>(socket.as_raw_fd(), &data, &[ControlMessage::ScmRights(&fds)], MsgFlags::MSG_NOSIGNAL, None)
        .map(drop)
        .map_err(syscall("send a pidfd to the --pidfd-socket"))
}
