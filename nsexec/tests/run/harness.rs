//! The runtime's part, as small as it can be: starts nsexec, answers its frames, collects what comes of it.

use nix::fcntl::{FcntlArg, fcntl};
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, posix_spawn};
use nix::sys::socket::{
    AddressFamily, MsgFlags, Shutdown, SockFlag, SockType, recv, send, shutdown, socketpair,
};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use skeg_proto::sync::{FRAME_LEN, ToNsexec, ToRuntime};
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{PipeWriter, Read, Write, pipe};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The first descriptor that is nsexec's own.
pub const BASE: u32 = 3;

/// The program. It has to be built alone (see `[features]` in Cargo.toml), so this test builds it.
pub fn nsexec() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("nsexec");
        let status = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--features", "bin", "--manifest-path"])
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
            .arg("--target-dir")
            .arg(&target)
            .status()
            .expect("cargo runs");
        assert!(status.success(), "nsexec builds");
        target.join("debug/nsexec")
    })
}

/// What came of one run.
#[derive(Debug)]
pub struct Outcome {
    /// What nsexec said, in order.
    pub frames: Vec<ToRuntime>,
    /// How the container's process ended, or nsexec where there was none.
    pub status: WaitStatus,
    /// The container's standard output.
    pub stdout: String,
    /// The container's standard error.
    pub stderr: String,
}

impl Outcome {
    /// The failure that was reported.
    pub fn failure(&self) -> Option<skeg_proto::Failure> {
        self.frames.iter().find_map(|frame| match frame {
            ToRuntime::Failed(failure) => Some(*failure),
            _ => None,
        })
    }

    /// The exit code of a process that ended by itself.
    pub fn code(&self) -> Option<i32> {
        match self.status {
            WaitStatus::Exited(_, code) => Some(code),
            _ => None,
        }
    }
}

/// A started nsexec.
pub struct Running {
    /// Of the first process.
    pub pid: Pid,
    sync: OwnedFd,
    frames: Vec<ToRuntime>,
    created: Option<Pid>,
    stdout: std::io::PipeReader,
    stderr: std::io::PipeReader,
}

/// Runs a stream to its end, with these descriptors at the numbers that the plan names.
pub fn run(stream: &[u8], extra: &[(RawFd, u32)]) -> Outcome {
    start(&[], stream, extra).finish()
}

/// Starts nsexec, with `wrapper` (a tracer) before it, if there is one.
pub fn start(wrapper: &[&str], stream: &[u8], extra: &[(RawFd, u32)]) -> Running {
    let (plan, mut feed) = pipe().unwrap();
    let (stdout, stdout_end) = pipe().unwrap();
    let (stderr, stderr_end) = pipe().unwrap();
    let flags = SockFlag::SOCK_CLOEXEC;
    let (sync, peer) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags).unwrap();
    let null = File::open("/dev/null").unwrap();
    let mut wanted = vec![
        (null.as_raw_fd(), 0),
        (stdout_end.as_raw_fd(), 1),
        (stderr_end.as_raw_fd(), 2),
        (plan.as_raw_fd(), BASE),
        (peer.as_raw_fd(), BASE + 1),
    ];
    wanted.extend_from_slice(extra);
    let pid = spawn(wrapper, &wanted);
    drop((plan, stdout_end, stderr_end, peer));
    write_all(&mut feed, stream);
    drop(feed);
    Running { pid, sync, frames: Vec::new(), created: None, stdout, stderr }
}

/// nsexec may stop reading a stream that is too long.
fn write_all(feed: &mut PipeWriter, stream: &[u8]) {
    match feed.write_all(stream) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
        done => done.unwrap(),
    }
}

fn spawn(wrapper: &[&str], wanted: &[(RawFd, u32)]) -> Pid {
    // First out of the way of the numbers that they shall get.
    let high: Vec<(OwnedFd, RawFd)> = wanted
        .iter()
        .map(|(fd, number)| {
            // SAFETY: the descriptor is open: it belongs to the caller.
            let fd = unsafe { std::os::fd::BorrowedFd::borrow_raw(*fd) };
            let copy = fcntl(fd, FcntlArg::F_DUPFD_CLOEXEC(100)).unwrap();
            // SAFETY: new, and nobody else's.
            (unsafe { OwnedFd::from_raw_fd(copy) }, *number as RawFd)
        })
        .collect();
    let mut actions = PosixSpawnFileActions::init().unwrap();
    for (fd, number) in &high {
        actions.add_dup2(fd.as_raw_fd(), *number).unwrap();
    }
    let program = CString::new(nsexec().to_str().unwrap()).unwrap();
    let base = CString::new(BASE.to_string()).unwrap();
    let (path, args) = match wrapper {
        [] => (program, vec![c"nsexec".to_owned(), base]),
        [first, ..] => {
            let mut args: Vec<CString> = wrapper.iter().map(|arg| CString::new(*arg).unwrap()).collect();
            args.extend([program, base]);
            (CString::new(*first).unwrap(), args)
        }
    };
    let environment: [&CStr; 0] = [];
    posix_spawn(path.as_c_str(), &actions, &PosixSpawnAttr::init().unwrap(), &args, &environment).unwrap()
}

impl Running {
    /// The next frame, or None at the end of the conversation.
    pub fn next(&mut self) -> Option<ToRuntime> {
        let mut bytes = [0; FRAME_LEN];
        let count = recv(self.sync.as_raw_fd(), &mut bytes, MsgFlags::empty()).unwrap_or(0);
        if count == 0 {
            return None;
        }
        let frame = ToRuntime::read(&bytes[..count]).unwrap();
        if let ToRuntime::Created { pid } = frame {
            self.created = Some(Pid::from_raw(pid as i32));
        }
        self.frames.push(frame);
        Some(frame)
    }

    /// Waits for READY.
    pub fn until_ready(&mut self) {
        loop {
            match self.next() {
                Some(ToRuntime::Ready) => return,
                Some(ToRuntime::MapWanted) => {
                    self.map_users();
                    self.say(ToNsexec::MapWritten);
                }
                Some(ToRuntime::Failed(failure)) => panic!("{failure:?}"),
                Some(_) => {}
                None => panic!("ended before READY"),
            }
        }
    }

    /// Says something.
    pub fn say(&self, message: ToNsexec) {
        send(self.sync.as_raw_fd(), &message.frame(), MsgFlags::MSG_NOSIGNAL).unwrap();
    }

    /// Answers frames until there are no more.
    pub fn converse(&mut self) {
        while let Some(frame) = self.next() {
            match frame {
                ToRuntime::MapWanted => {
                    self.map_users();
                    self.say(ToNsexec::MapWritten);
                }
                ToRuntime::HookPoint => self.say(ToNsexec::HooksDone),
                ToRuntime::Ready => self.say(ToNsexec::Start),
                _ => {}
            }
        }
    }

    /// Maps 65536 ids from 100000 up. The first process asks where a time namespace is made beside the user namespace:
    /// then there is no other process yet.
    pub fn map_users(&self) {
        let pid = self.created.unwrap_or(self.pid);
        for map in ["uid_map", "gid_map"] {
            std::fs::write(format!("/proc/{pid}/{map}"), "0 100000 65536\n").unwrap();
        }
    }

    /// The runtime is gone.
    pub fn hang_up(&mut self) {
        shutdown(self.sync.as_raw_fd(), Shutdown::Both).unwrap();
    }

    /// The container's process.
    pub fn created(&self) -> Option<Pid> {
        self.created
    }

    /// To the end: all frames, both processes, the output.
    pub fn finish(mut self) -> Outcome {
        self.converse();
        let first = waitpid(self.pid, None).unwrap();
        let status = self.created.map_or(first, |pid| waitpid(pid, None).unwrap());
        let (mut stdout, mut stderr) = (String::new(), String::new());
        self.stdout.read_to_string(&mut stdout).unwrap();
        self.stderr.read_to_string(&mut stderr).unwrap();
        Outcome { frames: self.frames, status, stdout, stderr }
    }
}
