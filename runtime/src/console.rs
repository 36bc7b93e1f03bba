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
    stdout: std::io::Stdout,
    to_container: VecDeque<u8>,
    to_caller: VecDeque<u8>,
    stdin_open: bool,
    master_open: bool,
}

const CHUNK: usize = 16 * 1024;

/// What a pipe takes without blocking when it is ready for writing, pipe(7).
const PIPE_BUF: usize = 4096;

/// What is asked of, and what has happened on, the three ends of a relay.
#[derive(Clone, Copy)]
pub struct Ends<T> {
    /// The pty's master.
    pub master: T,
    /// Standard input.
    pub input: T,
    /// Standard output.
    pub output: T,
}

impl Relay {
    /// Takes over the master.
    pub fn new(master: OwnedFd) -> Result<Self, Error> {
        fcntl(&master, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(terminal("set up the pty's master"))?;
        Ok(Self {
            master,
            stdin: std::io::stdin(),
            stdout: std::io::stdout(),
            to_container: VecDeque::new(),
            to_caller: VecDeque::new(),
            stdin_open: true,
            master_open: true,
        })
    }

    /// The master.
    pub fn master(&self) -> BorrowedFd<'_> {
        self.master.as_fd()
    }

    /// What to wait for. No more is read on either side than the other takes; signals have to be looked at while
    /// somebody takes nothing.
    pub fn interest(&self) -> Ends<(BorrowedFd<'_>, PollFlags)> {
        let when = |condition: bool, flags: PollFlags| if condition { flags } else { PollFlags::empty() };
        let (from_caller, from_container) = (self.to_container.is_empty(), self.to_caller.is_empty());
        let master = when(self.master_open && from_container, PollFlags::POLLIN)
            | when(self.master_open && !from_caller, PollFlags::POLLOUT);
        Ends {
            master: (self.master.as_fd(), master),
            input: (self.stdin.as_fd(), when(self.stdin_open && from_caller, PollFlags::POLLIN)),
            output: (self.stdout.as_fd(), when(!from_container, PollFlags::POLLOUT)),
        }
    }

    /// Copies what there is.
    pub fn copy(&mut self, ready: Ends<PollFlags>) {
        if !ready.input.is_empty() {
            self.read_stdin();
        }
        if !ready.output.is_empty() {
            self.write_stdout();
        }
        self.write_master();
        if ready.master.intersects(!PollFlags::POLLOUT) {
            self.read_master();
        }
    }

    /// Copies what the container has written until nothing more comes; for after its end.
    pub fn drain(&mut self) {
        loop {
            write_all(&self.stdout, self.to_caller.make_contiguous());
            self.to_caller.clear();
            if !self.master_open || !self.read_master() {
                return;
            }
        }
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

    /// Reads one chunk of what the container has written; whether there may be more.
    fn read_master(&mut self) -> bool {
        let mut chunk = [0; CHUNK];
        match read(&self.master, &mut chunk) {
            Ok(length) if length > 0 => {
                self.to_caller.extend(chunk.iter().take(length));
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

    /// Writes as much as doesn't block.
    fn write_stdout(&mut self) {
        let (head, _) = self.to_caller.as_slices();
        match write(&self.stdout, head.get(..PIPE_BUF).unwrap_or(head)) {
            Ok(length) => drop(self.to_caller.drain(..length)),
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(_) => self.to_caller.clear(),
        }
    }
}

fn write_all(to: &impl AsFd, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match write(to, bytes) {
            Ok(length) => bytes = bytes.get(length..).unwrap_or_default(),
            Err(Errno::EINTR) => {}
            // Our standard output may be non-blocking: it is shared with the caller.
            Err(Errno::EAGAIN) => {
                let mut fds = [PollFd::new(to.as_fd(), PollFlags::POLLOUT)];
                let _ = poll(&mut fds, PollTimeout::NONE);
            }
            Err(_) => return,
        }
    }
}
