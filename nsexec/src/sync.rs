//! nsexec's end of the conversation with the runtime (`skeg_proto::sync`).

use crate::fault::{During, Fault, Result};
use crate::sys::{self, BorrowedFd, Errno, OwnedFd};
use core::cell::Cell;
use skeg_proto::sync::{FRAME_LEN, ToNsexec, ToRuntime};
use skeg_proto::{Failure, Op};

/// The socket to the runtime, for as long as the runtime listens.
pub struct Sync {
    number: u32,
    open: Cell<bool>,
    /// The FIFO by which `start` came.
    starter: Cell<Option<u32>>,
}

impl Sync {
    /// The socket of this number.
    pub fn new(number: u32) -> Self {
        Self { number, open: Cell::new(true), starter: Cell::new(None) }
    }

    /// Sends a frame. EPIPE: the runtime is gone.
    pub fn send(&self, message: &ToRuntime) -> Result<()> {
        sys::socket::send(self.socket()?, &message.frame()).during(Op::Send).map(drop)
    }

    /// Sends the frame of a failure. A filter that refuses sendto(2) may let write(2) pass.
    pub fn report(&self, failure: &Failure) -> Result<()> {
        let (socket, frame) = (self.socket()?, ToRuntime::Failed(*failure).frame());
        match sys::socket::send(socket, &frame) {
            // SIGPIPE, if the runtime has gone since, ends this process as well as anything.
            Err(errno) if errno != Errno::PIPE => sys::file::write(socket, &frame),
            done => done,
        }
        .during(Op::Send)
        .map(drop)
    }

    /// Sends a frame with a descriptor attached.
    pub fn send_fd(&self, message: &ToRuntime, fd: BorrowedFd<'_>) -> Result<()> {
        sys::socket::send_fd(self.socket()?, &message.frame(), fd).during(Op::Send).map(drop)
    }

    /// Waits for the runtime to say this, and nothing else. Where the runtime is gone there is nobody to report to and
    /// nothing to go on for: it ends the process.
    pub fn expect(&self, wanted: ToNsexec) -> Result<()> {
        self.hear(wanted, |socket, bytes| Ok((sys::socket::receive(socket, bytes)?, None))).map(drop)
    }

    /// Waits for the runtime to send a descriptor.
    pub fn expect_fd(&self) -> Result<OwnedFd> {
        let fd = self.hear(ToNsexec::Fd, |socket, bytes| sys::socket::receive_fd(socket, bytes))?;
        fd.ok_or(Fault::new(Op::Peer, Errno::BADF))
    }

    fn hear(
        &self,
        wanted: ToNsexec,
        receive: impl Fn(BorrowedFd<'_>, &mut [u8]) -> sys::Result<(usize, Option<OwnedFd>)>,
    ) -> Result<Option<OwnedFd>> {
        // One byte more than a frame shows that a datagram is not one.
        let mut bytes = [0; FRAME_LEN + 1];
        let (filled, fd) = loop {
            match receive(self.socket()?, &mut bytes) {
                Ok((0, _)) | Err(Errno::CONNRESET) => sys::process::exit(1),
                Err(Errno::INTR) => {}
                other => break other.during(Op::Receive)?,
            }
        };
        match ToNsexec::read(bytes.get(..filled).unwrap_or(&[])) {
            Ok(message) if message == wanted => Ok(fd),
            Ok(_) => Err(Fault::new(Op::Peer, Errno::PROTO)),
            Err(error) => Err(Fault::new(Op::Peer, Errno::PROTO).with(error as u32)),
        }
    }

    /// Closes the socket: from here on nobody listens.
    pub fn close(&self) -> Result<()> {
        if self.open.replace(false) {
            drop(sys::file::take(self.number).during(Op::Open)?);
        }
        Ok(())
    }

    /// From here on `start` may listen, at the FIFO of this number: until its last writer is gone, as after the exec.
    pub fn starter_listens(&self, fifo: u32) {
        self.starter.set(Some(fifo));
    }

    /// Tells `start` what went wrong, if it has come.
    pub fn tell_starter(&self, failure: &Failure) {
        if let Some(Ok(fifo)) = self.starter.get().map(sys::file::named) {
            // A frame fits into an empty FIFO; this process reads it as well, so it can't be broken.
            let _ = sys::file::write(fifo, &ToRuntime::Failed(*failure).frame());
        }
    }

    fn socket(&self) -> Result<BorrowedFd<'static>> {
        if !self.open.get() {
            return Err(Fault::new(Op::Send, Errno::NOTCONN));
        }
        sys::file::named(self.number).during(Op::Send)
    }
}
