//! The file descriptors of the caller: those that the container's program gets, and all others.

use super::Error;
use super::error::syscall;

/// The fds from 3 up that the program keeps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    /// LISTEN_FDS: sockets of the service manager, passed on with the variable.
    pub listen: u32,
    /// All: LISTEN_FDS and then `--preserve-fds`.
    pub all: u32,
}

impl Kept {
    /// Counts them, checks that they are there, and marks every other fd so that no child inherits it: callers leak
    /// theirs (CVE-2024-21626 began with such a leak).
    pub fn claim(preserve: u32) -> Result<Self, Error> {
        // A variable may be stale. nsexec's own descriptors would get the numbers of those that are not there, and count as
        // the program's.
        let is_there = |fd: &i32| crate::sys::is_inherited(*fd);
        let listen = (3..).take(listen_fds() as usize).take_while(is_there).count() as u32;
        let all = listen.saturating_add(preserve);
        for fd in (3..).take(all as usize).skip(listen as usize) {
            if !is_there(&fd) {
                return Err(Error::Usage(format!(
                    "--preserve-fds {preserve}: file descriptor {fd} is not open"
                )));
            }
        }
        let first = all.saturating_add(3);
        crate::sys::close_on_exec_from(first).map_err(syscall("mark file descriptors"))?;
        Ok(Self { listen, all })
    }

    /// The first number that is not the program's.
    pub fn first_free(self) -> u32 {
        self.all.saturating_add(3)
    }
}

/// sd_listen_fds(3): the variable counts only if LISTEN_PID is ours, or absent as runc's callers leave it.
fn listen_fds() -> u32 {
    let number = |name| std::env::var(name).ok().and_then(|value| value.parse::<u32>().ok());
    match number("LISTEN_PID") {
        Some(pid) if pid != std::process::id() => 0,
        _ => number("LISTEN_FDS").unwrap_or(0),
    }
}
