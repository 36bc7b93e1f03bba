//! The system calls of the benchmark that std does not offer, and its only unsafe code: starting a process as cheaply
//! as Linux can and waiting for exactly that one, mounts, and the two signals that end a run early.

use std::ffi::{CString, OsStr};
use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::null;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long any single command may take before it is ended and counted as failed.
const PATIENCE: libc::time_t = 20;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// By us, since it did not end within [`PATIENCE`].
    Hung,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(number) => write!(f, "signal {number}"),
            Self::Hung => write!(f, "no end after {PATIENCE} s, or interrupted"),
        }
    }
}

/// What a command took.
#[derive(Debug, Clone, Copy)]
pub struct Spent {
    /// From before its start to after the wait for it.
    pub elapsed: Duration,
    /// Of all processors, in itself and in every process that it or its children waited for.
    pub processor: Duration,
}

/// A command line, ready for the kernel.
pub struct Command {
    words: Vec<CString>,
}

impl Command {
    /// A command line whose first word is the program's path. A NUL in a word ends the word.
    pub fn new<S: AsRef<OsStr>>(words: impl IntoIterator<Item = S>) -> Self {
        let words = words.into_iter().map(|word| c_string(word.as_ref())).collect();
        Self { words }
    }

    /// Starts the command with stdin on /dev/null and its output in `output`, waits for it, and returns how it ended
    /// and what it took.
    pub fn run(&self, output: &File) -> io::Result<(End, Spent)> {
        let mut argv: Vec<*mut libc::c_char> =
            self.words.iter().map(|word| word.as_ptr().cast_mut()).collect();
        argv.push(std::ptr::null_mut());
        let path = c"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        let envp = [path.as_ptr().cast_mut(), std::ptr::null_mut()];
        let program = self.words.first().ok_or(io::ErrorKind::InvalidInput)?;
        let actions = Actions::new(output.as_raw_fd())?;
        let mut pid = 0;
        set_timer(PATIENCE);
        let start = Instant::now();
        // SAFETY: all lists are NULL-terminated and, like the actions, outlive the call.
        let errno = unsafe {
            libc::posix_spawn(&mut pid, program.as_ptr(), &actions.0, null(), argv.as_ptr(), envp.as_ptr())
        };
        if errno != 0 {
            return Err(io::Error::from_raw_os_error(errno));
        }
        let end = wait_or_kill(pid);
        let elapsed = start.elapsed();
        set_timer(0);
        let (end, processor) = end?;
        Ok((end, Spent { elapsed, processor }))
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<_> = self.words.iter().map(|word| word.to_string_lossy()).collect();
        f.write_str(&words.join(" "))
    }
}

/// What posix_spawn does with the three standard descriptors.
struct Actions(libc::posix_spawn_file_actions_t);

impl Actions {
    fn new(output: RawFd) -> io::Result<Self> {
        // SAFETY: posix_spawn_file_actions_init writes the whole structure before anything reads it.
        let mut actions = unsafe {
            let mut actions = std::mem::zeroed();
            check(libc::posix_spawn_file_actions_init(&mut actions))?;
            Self(actions)
        };
        // SAFETY: the structure is initialised, and the path is NUL-terminated.
        unsafe {
            let list = &mut actions.0;
            check(libc::posix_spawn_file_actions_addopen(list, 0, c"/dev/null".as_ptr(), libc::O_RDONLY, 0))?;
            check(libc::posix_spawn_file_actions_adddup2(list, output, 1))?;
            check(libc::posix_spawn_file_actions_adddup2(list, output, 2))?;
        }
        Ok(actions)
    }
}

impl Drop for Actions {
    fn drop(&mut self) {
        // SAFETY: initialised by new, destroyed once.
        unsafe { libc::posix_spawn_file_actions_destroy(&mut self.0) };
    }
}

/// posix_spawn's family returns the errno itself.
fn check(errno: i32) -> io::Result<()> {
    if errno == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(errno)) }
}

fn last(answer: i32) -> io::Result<()> {
    if answer == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn c_string(text: &OsStr) -> CString {
    let bytes = text.as_bytes().split(|&byte| byte == 0).next().unwrap_or_default();
    CString::new(bytes).unwrap_or_default()
}

/// Waits for a child, for at most [`PATIENCE`]: the container's init, after its runtime has gone.
pub fn wait(pid: i32) -> io::Result<End> {
    set_timer(PATIENCE);
    let end = wait_or_kill(pid);
    set_timer(0);
    Ok(end?.0)
}

/// Waits until the child ends or the timer's signal interrupts; then the child is killed.
fn wait_or_kill(pid: i32) -> io::Result<(End, Duration)> {
    let mut status = 0;
    // SAFETY: rusage is plain numbers.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    let mut hung = false;
    loop {
        // SAFETY: status and usage outlive the call.
        let answer = unsafe { libc::wait4(pid, &mut status, 0, &mut usage) };
        if answer == pid {
            break;
        }
        let error = io::Error::last_os_error();
        if error.raw_os_error() != Some(libc::EINTR) {
            return Err(error);
        }
        hung = true;
        kill(pid);
    }
    let end = if hung {
        End::Hung
    } else if libc::WIFSIGNALED(status) {
        End::Signal(libc::WTERMSIG(status))
    } else {
        End::Code(libc::WEXITSTATUS(status))
    };
    Ok((end, duration(usage.ru_utime) + duration(usage.ru_stime)))
}

fn duration(time: libc::timeval) -> Duration {
    // The kernel counts up from 0.
    Duration::from_secs(time.tv_sec as u64) + Duration::from_micros(time.tv_usec as u64)
}

/// Sends SIGKILL to a process; one that is gone already is no error.
pub fn kill(pid: i32) {
    if pid > 1 {
        // SAFETY: no memory is passed.
        unsafe { libc::kill(pid, libc::SIGKILL) };
    }
}

/// Takes leave of children that have ended and that nobody waits for.
pub fn reap() {
    // SAFETY: no memory is passed.
    while unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) } > 0 {}
}

/// SIGALRM in so many seconds; 0 for never.
fn set_timer(seconds: libc::time_t) {
    // SAFETY: itimerval is plain numbers, all zero being "no timer", and outlives the call.
    unsafe {
        let mut timer: libc::itimerval = std::mem::zeroed();
        timer.it_value.tv_sec = seconds;
        libc::setitimer(libc::ITIMER_REAL, &timer, std::ptr::null_mut());
    }
}

/// Whether SIGINT or SIGTERM has arrived.
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

extern "C" fn on_alarm(_: i32) {}

extern "C" fn on_interrupt(_: i32) {
    INTERRUPTED.store(true, Ordering::Relaxed);
}

/// Makes the alarm and the two ending signals interrupt a wait, and orphaned container processes children of ours,
/// as they are of containerd's shim.
pub fn prepare() -> io::Result<()> {
    let handlers: [(i32, extern "C" fn(i32)); 3] =
        [(libc::SIGALRM, on_alarm), (libc::SIGINT, on_interrupt), (libc::SIGTERM, on_interrupt)];
    for (signal, handler) in handlers {
        // SAFETY: sigaction is plain data; no SA_RESTART, so that waits return; the handlers only store a flag.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = handler as *const () as usize;
            last(libc::sigaction(signal, &action, std::ptr::null_mut()))?;
        }
    }
    // SAFETY: no memory is passed.
    last(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) })
}

/// Gives this process a mount namespace of its own from which nothing spreads.
pub fn private_mount_namespace() -> io::Result<()> {
    // SAFETY: no memory is passed.
    last(unsafe { libc::unshare(libc::CLONE_NEWNS) })?;
    mount("none", Path::new("/"), None, libc::MS_REC | libc::MS_PRIVATE)
}

/// `mount(2)` without data.
pub fn mount(source: &str, target: &Path, kind: Option<&str>, flags: libc::c_ulong) -> io::Result<()> {
    let (source, target) = (c_string(source.as_ref()), c_string(target.as_os_str()));
    let kind = kind.map(|kind| c_string(kind.as_ref()));
    let kind = kind.as_ref().map_or(null(), |kind| kind.as_ptr());
    // SAFETY: the strings are NUL-terminated and outlive the call.
    last(unsafe { libc::mount(source.as_ptr(), target.as_ptr(), kind, flags, null()) })
}

/// Binds `source` over `target`.
pub fn bind(source: &Path, target: &Path) -> io::Result<()> {
    let source = source.to_str().ok_or(io::ErrorKind::InvalidInput)?;
    mount(source, target, None, libc::MS_BIND)
}

/// Detaches a mount and everything below it.
pub fn detach(target: &Path) -> io::Result<()> {
    let target = c_string(target.as_os_str());
    // SAFETY: the path is NUL-terminated and outlives the call.
    last(unsafe { libc::umount2(target.as_ptr(), libc::MNT_DETACH) })
}
