//! Terminals: handing a pty's master to `--console-socket`, and relaying it in the foreground.

use crate::errno::words;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl, open};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use nix::sys::stat::Mode;
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};
use nix::unistd::{isatty, read, write};
use std::collections::VecDeque;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Why there is no console.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A socket of the caller's.
    #[error("{flag} {}: {}", path.display(), words(*errno))]
    Socket {
        /// The flag that names it.
        flag: &'static str,
        /// Its path.
        path: PathBuf,
        /// Why it can't be used.
        errno: Errno,
    },
    /// The terminal of the caller.
    #[error("{what}: {}", words(*errno))]
    Terminal {
        /// What was attempted.
        what: &'static str,
        /// Why it failed.
        errno: Errno,
    },
}

fn terminal(what: &'static str) -> impl Fn(Errno) -> Error {
    move |errno| Error::Terminal { what, errno }
}

/// Connects to a socket of the caller's that is to receive a file descriptor.
pub fn connect_socket(path: &Path, flag: &'static str) -> Result<OwnedFd, Error> {
    let failed = |errno| Error::Socket { flag, path: path.to_owned(), errno };
    let fd = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).map_err(failed)?;
    connect(fd.as_raw_fd(), &UnixAddr::new(path).map_err(failed)?).map_err(failed)?;
    Ok(fd)
}

/// The caller's terminal, in raw mode until dropped.
pub struct HostTerminal {
    fd: OwnedFd,
    before: Termios,
}

impl HostTerminal {
    /// Finds the caller's terminal as runc does: stderr, stdout, stdin, else /dev/tty.
    pub fn find() -> Result<Self, Error> {
        let standard = [std::io::stderr().as_fd(), std::io::stdout().as_fd(), std::io::stdin().as_fd()]
            .into_iter()
            .find(|fd| isatty(fd).unwrap_or(false))
            .map(|fd| fd.try_clone_to_owned());
        let fd = match standard {
            Some(Ok(fd)) => fd,
            _ => open("/dev/tty", OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty())
                .map_err(terminal("find a terminal for the container's console"))?,
        };
        let before = tcgetattr(&fd).map_err(terminal("read the terminal's settings"))?;
        Ok(Self { fd, before })
    }

    /// Every key goes to the container.
    pub fn make_raw(&self) -> Result<(), Error> {
        let mut raw = self.before.clone();
        cfmakeraw(&mut raw);
        tcsetattr(&self.fd, SetArg::TCSANOW, &raw).map_err(terminal("set the terminal to raw mode"))
    }

    /// Gives the container's pty this terminal's size.
    pub fn copy_size_to(&self, master: BorrowedFd<'_>) {
        // A terminal without a size is no reason to fail.
        let _ = crate::sys::copy_window_size(self.fd.as_fd(), master);
    }
}

impl Drop for HostTerminal {
    fn drop(&mut self) {
        let _ = tcsetattr(&self.fd, SetArg::TCSANOW, &self.before);
    }
}

/// Copies bytes between the standard streams and a pty's master, never blocking on either side.
pub struct Relay {
    master: OwnedFd,
    stdin: std::io::Stdin,
    to_container: VecDeque<u8>,
    stdin_open: bool,
    master_open: bool,
}

const CHUNK: usize = 16 * 1024;

impl Relay {
    /// Takes over the master.
    pub fn new(master: OwnedFd) -> Result<Self, Error> {
        fcntl(&master, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(terminal("set up the pty's master"))?;
        Ok(Self {
            master,
            stdin: std::io::stdin(),
            to_container: VecDeque::new(),
            stdin_open: true,
            master_open: true,
        })
    }

    /// The master.
    pub fn master(&self) -> BorrowedFd<'_> {
        self.master.as_fd()
    }

    /// What to wait for: the master, then standard input.
    pub fn interest(&self) -> [(BorrowedFd<'_>, PollFlags); 2] {
        let pending = !self.to_container.is_empty();
        let mut master = PollFlags::empty();
        if self.master_open {
            master |= PollFlags::POLLIN;
            master.set(PollFlags::POLLOUT, pending);
        }
        // No more is read than the container takes.
        let input = if self.stdin_open && !pending { PollFlags::POLLIN } else { PollFlags::empty() };
        [(self.master.as_fd(), master), (self.stdin.as_fd(), input)]
    }

    /// Copies what there is.
    pub fn copy(&mut self, master: PollFlags, input: PollFlags) {
        if input.intersects(PollFlags::POLLIN | PollFlags::POLLHUP) {
            self.read_stdin();
        }
        self.write_master();
        if master.intersects(PollFlags::POLLIN | PollFlags::POLLHUP | PollFlags::POLLERR) {
            self.read_master();
        }
    }

    /// Copies what the container has written until nothing more comes; for after its end.
    pub fn drain(&mut self) {
        while self.master_open && self.read_master() {}
    }

    fn read_stdin(&mut self) {
        let mut chunk = [0; CHUNK];
        match read(&self.stdin, &mut chunk) {
            Ok(0) => self.stdin_open = false,
            Ok(length) => self.to_container.extend(chunk.iter().take(length)),
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(_) => self.stdin_open = false,
        }
    }

    fn write_master(&mut self) {
        while !self.to_container.is_empty() {
            let (head, _) = self.to_container.as_slices();
            match write(&self.master, head) {
                Ok(length) => drop(self.to_container.drain(..length)),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return,
                Err(_) => self.to_container.clear(),
            }
        }
    }

    /// Copies one chunk to standard output; whether there may be more.
    fn read_master(&mut self) -> bool {
        let mut chunk = [0; CHUNK];
        match read(&self.master, &mut chunk) {
            Ok(length) if length > 0 => {
                write_all(chunk.get(..length).unwrap_or_default());
                true
            }
            Err(Errno::EINTR) => true,
            Err(Errno::EAGAIN) => false,
            // EIO: the last slave is closed.
            _ => {
                self.master_open = false;
                false
            }
        }
    }
}

fn write_all(mut bytes: &[u8]) {
    let stdout = std::io::stdout();
    while !bytes.is_empty() {
        match write(&stdout, bytes) {
            Ok(length) => bytes = bytes.get(length..).unwrap_or_default(),
            Err(Errno::EINTR) => {}
            // Our standard output may be non-blocking: it is shared with the caller.
            Err(Errno::EAGAIN) => {
                let mut fds = [PollFd::new(stdout.as_fd(), PollFlags::POLLOUT)];
                let _ = poll(&mut fds, PollTimeout::NONE);
            }
            Err(_) => return,
        }
    }
}
