//! Starts nsexec with a plan and leads the conversation until the container's process is ready.

mod explain;
mod idmap;
mod spawn;
pub mod tree;

pub use explain::{explain, explain_start};
pub use idmap::write_maps;
pub use spawn::MEMFD;

use crate::plan::{Birth, FdRole};
use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, MsgFlags, send, sendmsg};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use skeg_proto::sync::{FRAME_LEN, ToNsexec, ToRuntime};
use std::fs::File;
use std::io::{IoSlice, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// Why a container's process could not be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A syscall of the runtime's.
    #[error("{what}: {}", crate::errno::words(*errno))]
    Syscall {
        /// What was attempted.
        what: &'static str,
        /// Why it failed.
        errno: Errno,
    },
    /// nsexec reported a failure; the sentence says which step.
    #[error("{0}")]
    Step(String),
    /// nsexec ended without a word.
    #[error("nsexec ended without a report ({0})")]
    Silent(String),
    /// nsexec said something that does not belong here.
    #[error("nsexec sent an unexpected message ({0})")]
    Unexpected(&'static str),
    /// The id mappings.
    #[error(transparent)]
    Map(#[from] idmap::Error),
    /// A mount that nsexec was to attach.
    #[error(transparent)]
    Tree(#[from] tree::Error),
    /// The plan does not fit on the wire.
    #[error(transparent)]
    Wire(#[from] skeg_proto::write::WriteError),
}

pub(crate) fn syscall(what: &'static str) -> impl Fn(Errno) -> Error {
    move |errno| Error::Syscall { what, errno }
}

/// nsexec, started, waiting for its plan or executing it.
pub struct Stage {
    /// The first process: it joins, clones and leaves.
    first: Pid,
    /// The container's process, once it exists.
    init: Option<Pid>,
    reaped: bool,
    /// Nobody has to end it any more.
    released: bool,
    pipe: Option<File>,
    /// At its end when nsexec has memory of its own.
    exec: Option<File>,
    sync: OwnedFd,
    /// What the hooks that it runs write to.
    hook_output: Option<File>,
}

/// What nsexec says, with the fd that came along.
pub struct Said {
    /// The message.
    pub message: ToRuntime,
    /// The fd of Console and SeccompFd.
    pub fd: Option<OwnedFd>,
}

impl Stage {
    /// Starts nsexec, which waits for its plan: as the container's process, in its cgroup (v2), or as the one that will
    /// make it. fds 3 up to `first_fd` are the caller's and stay where they are. `awaited`: until the exec
    /// [`Self::wait_until_exec`] waits.
    pub fn spawn(
        first_fd: u32,
        birth: Birth,
        cgroup: Option<BorrowedFd<'_>>,
        awaited: bool,
    ) -> Result<Self, Error> {
        spawn::spawn(first_fd, birth, cgroup, awaited)
    }

    /// Waits until the new process no longer shares our memory: the kernel ends whoever shares that of a process whose
    /// cgroup is out of memory.
    pub fn wait_until_exec(&mut self) -> Result<(), Error> {
        let Some(mut exec) = self.exec.take() else { return Ok(()) };
        match exec.read_to_end(&mut Vec::new()) {
            Ok(_) => Ok(()),
            Err(error) => {
                let errno = Errno::from_raw(error.raw_os_error().unwrap_or(0));
                Err(Error::Syscall { what: "wait for the exec of nsexec", errno })
            }
        }
    }

    /// Hands over the fds that the plan names, in the order of `plan.fds`.
    pub fn send_fds(&mut self, fds: &[(FdRole, OwnedFd)]) -> Result<(), Error> {
        let frame = ToNsexec::Fd.frame();
        for (role, fd) in fds {
            if *role == FdRole::HookOutput {
                self.hook_output = fd.try_clone().map(File::from).ok();
            }
            let fds = [fd.as_raw_fd()];
            let control = [ControlMessage::ScmRights(&fds)];
            let data = [IoSlice::new(&frame)];
            match sendmsg::<()>(self.sync.as_raw_fd(), &data, &control, MsgFlags::MSG_NOSIGNAL, None) {
                // It has died: the next `listen` tells.
                Ok(_) | Err(Errno::EPIPE | Errno::ECONNRESET) => {}
                Err(errno) => return Err(syscall("hand a file descriptor to nsexec")(errno)),
            }
        }
        Ok(())
    }

    /// What the last of the hooks that nsexec runs has written.
    pub fn hook_output(&self) -> Option<String> {
        self.hook_output.as_ref().map(crate::hooks::read_back)
    }

    /// The pid of the first process, to be put into cgroups before it gets its plan.
    pub fn first_pid(&self) -> Pid {
        self.first
    }

    /// Hands the plan over.
    pub fn send_plan(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let Some(mut pipe) = self.pipe.take() else { return Ok(()) };
        match pipe.write_all(bytes) {
            // It has died: the conversation says more than the pipe.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            Err(error) => {
                let errno = Errno::from_raw(error.raw_os_error().unwrap_or(0));
                Err(Error::Syscall { what: "send the plan to nsexec", errno })
            }
            Ok(()) => Ok(()),
        }
    }

    /// The next message; None at the end of the conversation.
    pub fn listen(&mut self) -> Result<Option<Said>, Error> {
        let mut frame = [0; FRAME_LEN];
        let (length, fd) = loop {
            match crate::sys::receive(self.sync.as_fd(), &mut frame) {
                Ok(received) => break received,
                // ECONNRESET: the other end died with an answer of ours unread. It is told once, before what the other end
                // has said last.
                Err(Errno::EINTR | Errno::ECONNRESET) => {}
                Err(errno) => return Err(syscall("listen to nsexec")(errno)),
            }
        };
        if length == 0 {
            return Ok(None);
        }
        let bytes = frame.get(..length).unwrap_or_default();
        let message = ToRuntime::read(bytes).map_err(|error| Error::Unexpected(error.text()))?;
        if let ToRuntime::Created { pid } = message {
            self.created(pid)?;
        }
        Ok(Some(Said { message, fd }))
    }

    /// Waits until nsexec has closed its end, as the exec does: with nothing to answer, all that it says can be read
    /// then, and every message that woke us before would cost two changes of process.
    pub fn wait_until_closed(&self) {
        use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
        let mut fds = [PollFd::new(self.sync.as_fd(), PollFlags::empty())];
        // An interrupted wait only makes `listen` wait instead.
        let _ = poll(&mut fds, PollTimeout::NONE);
    }

    /// Answers.
    pub fn say(&mut self, message: ToNsexec) -> Result<(), Error> {
        match send(self.sync.as_raw_fd(), &message.frame(), MsgFlags::MSG_NOSIGNAL) {
            // It has died: the next `listen` tells.
            Ok(_) | Err(Errno::EPIPE | Errno::ECONNRESET) => Ok(()),
            Err(errno) => Err(syscall("answer nsexec")(errno)),
        }
    }

    /// The container's process.
    pub fn init(&self) -> Option<Pid> {
        self.init
    }

    fn created(&mut self, pid: u32) -> Result<(), Error> {
        let pid = i32::try_from(pid).map_err(|_| Error::Unexpected("a pid"))?;
        self.init = Some(Pid::from_raw(pid));
        Ok(())
    }

    /// Waits for the first process, which leaves right after the clone.
    pub fn reap_first(&mut self) {
        if !std::mem::replace(&mut self.reaped, true) {
            let _ = wait(self.first);
        }
    }

    /// From here on its processes are on their own.
    pub fn release(&mut self) {
        self.released = true;
    }

    /// Ends whatever is there and waits for it; for a start that failed. Returns how the container's process (or the
    /// first one, if there is none) ended.
    pub fn abandon(&mut self) -> String {
        if std::mem::replace(&mut self.released, true) {
            return String::new();
        }
        self.pipe = None;
        let last = self.init.unwrap_or(self.first);
        let _ = nix::sys::signal::kill(last, nix::sys::signal::Signal::SIGKILL);
        let ended = if self.init.is_some() { wait(last) } else { None };
        let first = if std::mem::replace(&mut self.reaped, true) { None } else { wait(self.first) };
        ended.or(first).unwrap_or_default()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.abandon();
    }
}

/// Waits for a child and says how it ended.
fn wait(pid: Pid) -> Option<String> {
    use nix::sys::wait::WaitStatus;
    loop {
        return match waitpid(pid, Some(WaitPidFlag::__WALL)) {
            Err(Errno::EINTR) => continue,
            Ok(WaitStatus::Exited(_, code)) => Some(format!("exit status {code}")),
            Ok(WaitStatus::Signaled(_, signal, _)) => Some(format!("killed by {signal}")),
            _ => None,
        };
    }
}
