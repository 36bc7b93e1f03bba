//! One change to a container at a time: flock(2) on its state directory.
//!
//! The lock lives and dies with the process that holds it, so a killed skeg leaves none behind.

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use std::os::fd::OwnedFd;
use std::thread;
use std::time::{Duration, Instant};

/// A container's lock; dropping it lets go.
#[derive(Debug)]
pub struct Lock {
    _held: Flock<OwnedFd>,
}

/// Waiting starts with the shortest pause and doubles up to the longest: most holders are gone in a millisecond.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

impl Lock {
    /// Locks a state directory; none if another process still holds it after `patience`. flock(2) itself can't wait
    /// for a limited time.
    pub(super) fn take(mut directory: OwnedFd, patience: Duration) -> Result<Option<Self>, Errno> {
        let deadline = Instant::now() + patience;
        let mut pause = SHORTEST_PAUSE;
        loop {
            directory = match Flock::lock(directory, FlockArg::LockExclusiveNonblock) {
                Ok(held) => return Ok(Some(Self { _held: held })),
                Err((directory, Errno::EWOULDBLOCK)) => directory,
                Err((directory, Errno::EINTR)) => directory,
                Err((_, errno)) => return Err(errno),
            };
            if Instant::now() + pause > deadline {
                return Ok(None);
            }
            thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}
