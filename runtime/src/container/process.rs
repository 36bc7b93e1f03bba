//! Which process is meant: a pid alone is reused by the kernel, pid and start time together are not.

use super::Signal;
use crate::sys;
use nix::errno::Errno;
use std::io::Read as _;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::{fs, io};

/// A process, as it can be written down: alive or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The process ID in skeg's PID namespace.
    pub pid: i32,
    /// When it started, in clock ticks since boot: field 22 of /proc/PID/stat (proc_pid_stat(5)).
    pub start_time: u64,
}

/// What went wrong while looking at a process.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A system call failed.
    #[error("{call} for process {pid}: {}", crate::errno::words(*errno))]
    Syscall {
        /// Its name.
        call: &'static str,
        /// The process.
        pid: i32,
        /// Why.
        errno: Errno,
    },
    /// /proc/PID/stat isn't as proc_pid_stat(5) says.
    #[error("read /proc/{0}/stat: not in the kernel's format")]
    Stat(i32),
}

impl Identity {
    /// The identity of a process that is alive now; none if there is no such process, or only its zombie.
    pub fn of(pid: i32) -> Result<Option<Self>, Error> {
        let Some(text) = read_stat(pid)? else { return Ok(None) };
        let stat = Stat::parse(&text).ok_or(Error::Stat(pid))?;
        Ok(stat.is_alive().then_some(Self { pid, start_time: stat.start_time }))
    }

    /// Whether this very process, and not another that got its pid, is alive. A zombie isn't.
    pub fn is_alive(&self) -> Result<bool, Error> {
        Ok(Self::of(self.pid)? == Some(*self))
    }

    /// Opens the process; none if it is not alive any more.
    pub fn open(&self) -> Result<Option<Process>, Error> {
        let pidfd = match sys::pidfd_open(self.pid) {
            Ok(pidfd) => pidfd,
            // EINVAL: the pid is now that of a thread (before Linux 6.9), or never was a pid at all.
            Err(Errno::ESRCH | Errno::EINVAL) => return Ok(None),
            Err(errno) => return Err(Error::Syscall { call: "pidfd_open", pid: self.pid, errno }),
        };
        // Only now: while the pidfd is open, the pid can't get another meaning unnoticed.
        Ok(self.is_alive()?.then_some(Process { pidfd, identity: *self }))
    }
}

/// An open process: signals sent through it reach it, or nobody.
#[derive(Debug)]
pub struct Process {
    pidfd: OwnedFd,
    identity: Identity,
}

impl Process {
    /// Sends a signal; false if the process is gone.
    pub fn signal(&self, signal: Signal) -> Result<bool, Error> {
        match sys::pidfd_send_signal(self.pidfd.as_fd(), signal.0) {
            Ok(()) => Ok(true),
            Err(Errno::ESRCH) => Ok(false),
            Err(errno) => Err(Error::Syscall { call: "pidfd_send_signal", pid: self.identity.pid, errno }),
        }
    }

    /// Which process it is.
    pub fn identity(&self) -> Identity {
        self.identity
    }
}

impl AsFd for Process {
    /// The pidfd: poll(2) reports it readable when the process has ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

/// The fields of /proc/PID/stat that matter here.
#[derive(Debug, PartialEq)]
struct Stat {
    state: u8,
    threads: u64,
    start_time: u64,
}

impl Stat {
    /// The second field is the program's name in parentheses, which may itself hold parentheses and spaces; so
    /// fields are counted from the last closing one.
    fn parse(text: &[u8]) -> Option<Self> {
        let end = text.iter().rposition(|&byte| byte == b')')?;
        let rest = std::str::from_utf8(text.get(end + 1..)?).ok()?;
        let mut fields = rest.split_ascii_whitespace();
        let state = *fields.next()?.as_bytes().first()?;
        let threads = fields.nth(20 - 4)?.parse().ok()?;
        let start_time = fields.nth(22 - 21)?.parse().ok()?;
        Some(Self { state, threads, start_time })
    }

    /// A zombie with other threads is only the first of them.
    fn is_alive(&self) -> bool {
        !matches!(self.state, b'Z' | b'X' | b'x') || self.threads > 1
    }
}

/// None if there is no such process.
fn read_stat(pid: i32) -> Result<Option<Vec<u8>>, Error> {
    let error = |call| {
        move |error: io::Error| match Errno::from_raw(error.raw_os_error().unwrap_or(0)) {
            Errno::ENOENT | Errno::ESRCH => Ok(None),
            errno => Err(Error::Syscall { call, pid, errno }),
        }
    };
    let mut file = match fs::File::open(format!("/proc/{pid}/stat")) {
        Ok(file) => file,
        Err(failure) => return error("open stat")(failure),
    };
    // The file comes whole in one read(2): 52 numbers of at most 20 digits, and a name.
    let mut text = vec![0; 2048];
    match file.read(&mut text) {
        Ok(length) => {
            text.truncate(length);
            Ok(Some(text))
        }
        Err(failure) => error("read stat")(failure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command};

    fn sleeper() -> Child {
        Command::new("sleep").arg("60").spawn().expect("sleep is installed")
    }

    fn identity(child: &Child) -> Identity {
        let pid = i32::try_from(child.id()).expect("a pid");
        Identity::of(pid).expect("stat is readable").expect("the child lives")
    }

    #[test]
    fn name_with_parentheses_does_not_shift_the_fields() {
        let text = b"7 (a) R 1 (x) S 1 7 7 0 -1 4 1 0 0 0 0 0 0 0 20 0 1 0 4711 9 9\n";
        assert_eq!(Stat::parse(text), Some(Stat { state: b'S', threads: 1, start_time: 4711 }));
    }

    #[test]
    fn malformed_stat_is_no_process() {
        for text in
            [&b""[..], b"7 (a", b"7 (a)", b"7 (a) S 1 2 3", b"7 (a) S 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 x"]
        {
            assert_eq!(Stat::parse(text), None);
        }
    }

    #[test]
    fn running_process_is_alive_and_gets_the_signal() {
        let mut child = sleeper();
        let identity = identity(&child);

        let process = identity.open().unwrap().expect("alive");
        assert!(process.signal(Signal::KILL).unwrap());

        assert!(!child.wait().unwrap().success());
        assert!(!process.signal(Signal(0)).unwrap());
    }

    #[test]
    fn zombie_is_not_alive() {
        let mut child = sleeper();
        let identity = identity(&child);
        let process = identity.open().unwrap().expect("alive");
        process.signal(Signal::KILL).unwrap();

        let mut ended = [nix::poll::PollFd::new(process.as_fd(), nix::poll::PollFlags::POLLIN)];
        nix::poll::poll(&mut ended, nix::poll::PollTimeout::NONE).unwrap();

        assert!(!identity.is_alive().unwrap());
        assert!(identity.open().unwrap().is_none());
        child.wait().unwrap();
        assert!(!identity.is_alive().unwrap());
    }

    /// Seen failing where `Identity::is_alive` does not compare the time.
    #[test]
    fn recycled_pid_is_another_process() {
        let mut child = sleeper();
        let before = Identity { start_time: identity(&child).start_time - 1, ..identity(&child) };

        assert!(!before.is_alive().unwrap());
        assert!(before.open().unwrap().is_none());

        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn numbers_that_are_no_pid_are_no_process() {
        for pid in [0, -1, i32::MAX] {
            assert!(Identity { pid, start_time: 1 }.open().unwrap().is_none(), "{pid}");
        }
    }
}
