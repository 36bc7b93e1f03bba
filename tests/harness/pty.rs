//! Terminals: the user's side of a pty, and the receiver of a console socket.

use std::io::{IoSliceMut, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::socket::{ControlMessageOwned, MsgFlags, UnixAddr, recvmsg};

use crate::process::LIMIT;
use crate::sys;

/// The master side of a pty: what a user types and sees.
pub struct Terminal {
    master: std::fs::File,
    seen: Vec<u8>,
}

impl Terminal {
    /// A new pty of this size, and its slave for a program.
    pub fn open(rows: u16, columns: u16) -> (Self, OwnedFd) {
        let (master, slave) = sys::open_pty(rows, columns).expect("openpty");
        (Self::from_master(master), slave)
    }

    /// The terminal behind a master.
    pub fn from_master(master: OwnedFd) -> Self {
        Self { master: master.into(), seen: Vec::new() }
    }

    /// Types `text`.
    pub fn type_in(&mut self, text: &str) {
        self.master.write_all(text.as_bytes()).expect("write to the terminal");
    }

    /// Changes the size.
    pub fn resize(&self, rows: u16, columns: u16) {
        sys::set_size(self.master.as_fd(), rows, columns).expect("TIOCSWINSZ");
    }

    /// Reads until `text` has been shown; gives all that was shown up to its end, and forgets it.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) -> String {
        loop {
            let shown = String::from_utf8_lossy(&self.seen).into_owned();
            if let Some(at) = shown.find(text) {
                let end = at + text.len();
                self.seen.drain(..end);
                return shown[..end].to_owned();
            }
            assert!(self.fill(), "the terminal was closed before it showed {text:?}: {shown:?}");
        }
    }

    /// Whether `text` is shown before long: for what may have to be asked for again.
    pub fn shows_soon(&mut self, text: &str) -> bool {
        let limit = Instant::now() + Duration::from_secs(1);
        while !String::from_utf8_lossy(&self.seen).contains(text) {
            if !sys::readable(self.master.as_fd(), limit).expect("poll") || !self.fill() {
                return false;
            }
        }
        true
    }

    /// Everything shown until the other side is closed.
    pub fn rest(&mut self) -> String {
        while self.fill() {}
        String::from_utf8_lossy(&std::mem::take(&mut self.seen)).into_owned()
    }

    /// The terminal's settings.
    pub fn settings(&self) -> nix::sys::termios::Termios {
        nix::sys::termios::tcgetattr(&self.master).expect("tcgetattr")
    }

    fn fill(&mut self) -> bool {
        let ready = sys::readable(self.master.as_fd(), Instant::now() + LIMIT).expect("poll");
        assert!(ready, "nothing shown for {LIMIT:?}; so far {:?}", String::from_utf8_lossy(&self.seen));
        let mut chunk = [0; 4096];
        // EIO: the last slave was closed.
        let length = self.master.read(&mut chunk).unwrap_or(0);
        self.seen.extend_from_slice(chunk.get(..length).expect("read fits"));
        length > 0
    }
}

/// The socket a manager listens on for the terminal of a container.
pub struct ConsoleSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl ConsoleSocket {
    /// Listens at `path`.
    pub fn listen(path: &Path) -> Self {
        let listener = UnixListener::bind(path).expect("bind");
        Self { listener, path: path.to_owned() }
    }

    /// The socket's path.
    pub fn path(&self) -> &str {
        self.path.to_str().expect("ASCII")
    }

    /// The name and the master that the runtime has sent.
    #[track_caller]
    pub fn receive(&self) -> (String, Terminal) {
        let ready = sys::readable(self.listener.as_fd(), Instant::now() + LIMIT).expect("poll");
        assert!(ready, "no one connected to the console socket");
        let (stream, _) = self.listener.accept().expect("accept");
        let mut name = [0; 4096];
        let mut parts = [IoSliceMut::new(&mut name)];
        let mut space = nix::cmsg_space!([std::os::fd::RawFd; 4]);
        let flags = MsgFlags::MSG_CMSG_CLOEXEC;
        let message =
            recvmsg::<UnixAddr>(stream.as_raw_fd(), &mut parts, Some(&mut space), flags).expect("recvmsg");
        let mut fds = Vec::new();
        for control in message.cmsgs().expect("control messages") {
            if let ControlMessageOwned::ScmRights(rights) = control {
                fds.extend(rights);
            }
        }
        let length = message.bytes;
        assert_eq!(fds.len(), 1, "one descriptor is sent");
        // SAFETY: the kernel has just given us this descriptor.
        let master = unsafe { sys::own(fds[0]) };
        (String::from_utf8_lossy(&name[..length]).into_owned(), Terminal::from_master(master))
    }
}
