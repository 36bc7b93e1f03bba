//! Processes, namespaces and what belongs to a process.

use super::map::Pointers;
use super::{AsFd, BorrowedFd, Errno, OwnedFd, RawFd, Result, call};
use core::ffi::CStr;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, WaitOptions};
use rustix::thread::{ThreadNameSpaceType, UnshareFlags};

/// CLONE_NEW* (clone(2)).
pub const NEWTIME: u32 = 0x80;
/// CLONE_NEW* (clone(2)).
pub const NEWNS: u32 = 0x2_0000;
/// CLONE_NEW* (clone(2)).
pub const NEWCGROUP: u32 = 0x200_0000;
/// CLONE_NEW* (clone(2)).
pub const NEWUTS: u32 = 0x400_0000;
/// CLONE_NEW* (clone(2)).
pub const NEWIPC: u32 = 0x800_0000;
/// CLONE_NEW* (clone(2)).
pub const NEWUSER: u32 = 0x1000_0000;
/// CLONE_NEW* (clone(2)).
pub const NEWPID: u32 = 0x2000_0000;
/// CLONE_NEW* (clone(2)).
pub const NEWNET: u32 = 0x4000_0000;

const CLONE_VM: u64 = 0x100;
const CLONE_PIDFD: u64 = 0x1000;
const CLONE_PARENT: u64 = 0x8000;
const CLONE_PARENT_SETTID: u64 = 0x10_0000;
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
const SIGCHLD: u64 = 17;

/// `_exit`: exit_group(2). The container's filter may refuse that, and exit(2) as well: what is left is to die of an
/// instruction that no processor has.
pub fn exit(status: u32) -> ! {
    // SAFETY: ends the process; no destructor is left that matters outside of it. It has one thread.
    unsafe {
        let _ = syscalls::raw_syscall!(syscalls::Sysno::exit_group, status);
        let _ = syscalls::raw_syscall!(syscalls::Sysno::exit, status);
        #[cfg(target_arch = "x86_64")]
        core::arch::asm!("ud2", options(noreturn, nostack));
        #[cfg(target_arch = "aarch64")]
        core::arch::asm!("udf #0", options(noreturn, nostack));
    }
}

/// `struct clone_args` (clone(2)).
#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// What becomes of the memory of a process that makes its successor.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// The successor goes on in it: nothing is copied.
    Inherited,
    /// The successor has a copy.
    Copied,
}

/// Makes the container's process, in new namespaces, in a cgroup, a child of this process's own parent (which also
/// gets the signal that this process's end would give it), and ends this one. Comes back in the new process, with its
/// pid in the PID namespace of the old one.
pub fn replace_by_sibling(namespaces: u32, cgroup: Option<BorrowedFd<'_>>, memory: Memory) -> Result<u32> {
    use core::sync::atomic::{AtomicU32, Ordering};
    use rustix::fd::AsRawFd;
    let own = AtomicU32::new(0);
    let mut flags = u64::from(namespaces) | CLONE_PARENT | CLONE_PARENT_SETTID;
    // The kernel writes it before the new process runs, to the memory of the old one.
    let pid = match memory {
        Memory::Inherited => {
            flags |= CLONE_VM;
            &own
        }
        Memory::Copied => super::map::shared_number()?,
    };
    let mut args = CloneArgs { flags, parent_tid: pid.as_ptr() as u64, ..CloneArgs::default() };
    if let Some(cgroup) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = cgroup.as_raw_fd() as u64;
    }
    clone3_and_exit(&args)?;
    Ok(pid.load(Ordering::Relaxed))
}

/// `long clone3(struct clone_args *args, size_t size)`, and exit_group(2) in the process that called: the new one may
/// go on on the old one's stack, because the old one never touches it again.
#[cfg(target_arch = "x86_64")]
fn clone3_and_exit(args: &CloneArgs) -> Result<()> {
    let returned: usize;
    // SAFETY: the kernel reads the structure, which the borrow keeps alive, and writes to `parent_tid`. Where it comes
    // back with a pid, nothing but two registers is set before the end; so also with CLONE_VM the stack has one user.
    unsafe {
        core::arch::asm!(
            "syscall",
            "test rax, rax",
            "jle 2f",
            "xor edi, edi",
            "mov eax, {exit_group}",
            "syscall",
            "2:",
            exit_group = const syscalls::Sysno::exit_group as usize,
            inlateout("rax") syscalls::Sysno::clone3 as usize => returned,
            inlateout("rdi") core::ptr::from_ref(args) => _,
            in("rsi") size_of::<CloneArgs>(),
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    super::check(returned).map(drop)
}

/// `long clone3(struct clone_args *args, size_t size)`, and exit_group(2) in the process that called: the new one may
/// go on on the old one's stack, because the old one never touches it again.
#[cfg(target_arch = "aarch64")]
fn clone3_and_exit(args: &CloneArgs) -> Result<()> {
    let returned: usize;
    // SAFETY: as on x86_64.
    unsafe {
        core::arch::asm!(
            "svc 0",
            "cmp x0, 0",
            "b.le 2f",
            "mov x0, 0",
            "mov x8, {exit_group}",
            "svc 0",
            "2:",
            exit_group = const syscalls::Sysno::exit_group as usize,
            in("x8") syscalls::Sysno::clone3 as usize,
            inlateout("x0") core::ptr::from_ref(args) => returned,
            in("x1") size_of::<CloneArgs>(),
        );
    }
    super::check(returned).map(drop)
}

/// A child process and its pidfd.
pub struct Child {
    pid: Pid,
    pidfd: OwnedFd,
}

/// fork(2), with a pidfd. None in the child. By the old clone(2): a filter may be in force, and Docker's profile answers
/// clone3(2) with ENOSYS, as it can't look into its arguments.
pub fn fork() -> Result<Option<Child>> {
    use rustix::fd::FromRawFd;
    let mut pidfd: RawFd = -1;
    let (stack, flags) = (0_usize, CLONE_PIDFD | SIGCHLD);
    // SAFETY: without CLONE_VM the new process runs on a copy of this stack, as after fork(2), and this program has one
    // thread. With CLONE_PIDFD the kernel writes the third argument, and needs no more.
    let pid =
        unsafe { call!(clone, flags as usize, stack, core::ptr::from_mut(&mut pidfd), 0_usize, 0_usize) }?;
    let Some(pid) = Pid::from_raw(pid as i32) else { return Ok(None) };
    // SAFETY: the kernel has stored a new fd there, which nobody else owns.
    let pidfd = unsafe { OwnedFd::from_raw_fd(core::ptr::read_volatile(&pidfd)) };
    Ok(Some(Child { pid, pidfd }))
}

impl Child {
    /// Its pidfd: readable when it has ended.
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// SIGKILL: pidfd_send_signal(2).
    pub fn kill(&self) -> Result<()> {
        rustix::process::pidfd_send_signal(&self.pidfd, rustix::process::Signal::KILL)
    }

    /// waitpid(2): its wait status.
    pub fn wait(self) -> Result<u32> {
        loop {
            match rustix::process::waitpid(Some(self.pid), WaitOptions::empty()) {
                Ok(Some((_, status))) => return Ok(status.as_raw() as u32),
                Ok(None) | Err(Errno::INTR) => {}
                Err(errno) => return Err(errno),
            }
        }
    }
}

/// What `poll` saw.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Polled {
    /// The fd to read is readable.
    pub readable: bool,
    /// The fd to write is writable, or its other end is gone.
    pub writable: bool,
}

/// `int ppoll(struct pollfd *fds, nfds_t nfds, ...)`: poll(2). `milliseconds` None waits for ever.
pub fn poll(
    read: BorrowedFd<'_>,
    write: Option<BorrowedFd<'_>>,
    milliseconds: Option<u64>,
) -> Result<Polled> {
    let timeout = milliseconds.map(|milliseconds| Timespec {
        tv_sec: (milliseconds / 1000) as i64,
        tv_nsec: (milliseconds % 1000).saturating_mul(1_000_000) as i64,
    });
    let writer = write.unwrap_or(read);
    let mut fds = [
        PollFd::from_borrowed_fd(read, PollFlags::IN),
        PollFd::from_borrowed_fd(writer, if write.is_some() { PollFlags::OUT } else { PollFlags::empty() }),
    ];
    rustix::event::poll(&mut fds, timeout.as_ref())?;
    let [read, writer] = fds;
    let writable = write.is_some() && !writer.revents().is_empty();
    Ok(Polled { readable: !read.revents().is_empty(), writable })
}

/// `int clock_gettime(CLOCK_MONOTONIC, struct timespec *)` in milliseconds: clock_gettime(2).
pub fn monotonic_milliseconds() -> Result<u64> {
    const CLOCK_MONOTONIC: u32 = 1;
    let mut time = [0i64; 2];
    // SAFETY: the kernel writes a `struct timespec`, two 64-bit numbers, to the array.
    unsafe { call!(clock_gettime, CLOCK_MONOTONIC, time.as_mut_ptr()) }?;
    let [seconds, nanoseconds] = time.map(|part| u64::try_from(part).unwrap_or(0));
    Ok(seconds.saturating_mul(1000).saturating_add(nanoseconds / 1_000_000))
}

/// `struct sigaction` as the kernel has it: handler, flags, restorer, mask.
#[repr(C)]
pub struct Action([u64; 4]);

impl Action {
    /// SIG_IGN.
    pub const IGNORE: Self = Self([1, 0, 0, 0]);
}

/// `int rt_sigaction(...)` for every signal: the default action, sigaction(2).
pub fn reset_signals() {
    const LAST: u32 = 64;
    const MASK_LEN: usize = 8;
    let default = Action([0; 4]);
    for signal in 1..=LAST {
        // Refused for SIGKILL and SIGSTOP, whose action can't have been changed.
        // SAFETY: SIG_DFL installs no handler.
        let _ = unsafe {
            call!(
                rt_sigaction,
                signal,
                core::ptr::from_ref(&default),
                core::ptr::null_mut::<Action>(),
                MASK_LEN
            )
        };
    }
}

/// `int rt_sigaction(SIGPIPE, const struct sigaction *new, struct sigaction *old, size_t)`: sigaction(2). Returns
/// the action that was.
pub fn set_sigpipe(new: &Action) -> Result<Action> {
    const SIGPIPE: u32 = 13;
    const MASK_LEN: usize = 8;
    let mut old = Action([0; 4]);
    // SAFETY: no handler of this program's is ever installed: the actions are SIG_IGN and what the kernel returned.
    unsafe {
        call!(rt_sigaction, SIGPIPE, core::ptr::from_ref(new), core::ptr::from_mut(&mut old), MASK_LEN)
    }?;
    Ok(old)
}

/// `int execve(const char *path, char *const argv[], char *const envp[])`: execve(2). Returns only the error.
pub fn execve(path: &CStr, argv: Pointers<'_>, envp: Pointers<'_>) -> Errno {
    // SAFETY: NUL-terminated strings in NULL-terminated arrays, alive as long as this program.
    match unsafe { call!(execve, path.as_ptr(), argv.as_ptr(), envp.as_ptr()) } {
        Err(errno) => errno,
        Ok(_) => Errno::NOEXEC,
    }
}

/// `pid_t getpid(void)`, in the process's own PID namespace: getpid(2).
pub fn getpid() -> u32 {
    rustix::process::getpid().as_raw_nonzero().get() as u32
}

/// `pid_t setsid(void)`: setsid(2).
pub fn setsid() -> Result<()> {
    rustix::process::setsid().map(drop)
}

/// `int setns(int fd, int nstype)`: setns(2). `fd` is a namespace or a pidfd.
pub fn setns(fd: impl AsFd, namespaces: u32) -> Result<()> {
    let types = ThreadNameSpaceType::from_bits_retain(namespaces);
    rustix::thread::move_into_thread_name_spaces(fd.as_fd(), types)
}

/// `int unshare(int flags)`: unshare(2), for CLONE_NEW* flags.
pub fn unshare(namespaces: u32) -> Result<()> {
    // SAFETY: unsafe for CLONE_FILES, which the mask takes away: this function is for namespaces.
    unsafe {
        let flags = UnshareFlags::from_bits_retain(namespaces).difference(UnshareFlags::FILES);
        rustix::thread::unshare_unsafe(flags)
    }
}

/// `prctl(PR_SET_NAME)`: the process's name in /proc/PID/comm.
pub fn set_name(name: &CStr) -> Result<()> {
    rustix::thread::set_name(name)
}

/// `prctl(PR_SET_DUMPABLE)`: whether others may ptrace this process and open its /proc files.
pub fn set_dumpable(dumpable: bool) -> Result<()> {
    use rustix::process::DumpableBehavior::{Dumpable, NotDumpable};
    rustix::process::set_dumpable_behavior(if dumpable { Dumpable } else { NotDumpable })
}

/// `mode_t umask(mode_t mask)`: umask(2). Returns the mask that was.
pub fn umask(mask: u32) -> u32 {
    use rustix::fs::Mode;
    rustix::process::umask(Mode::from_bits_retain(mask)).bits()
}

/// `int prlimit(0, int resource, ...)`: the soft and the hard limit, getrlimit(2). u64::MAX is RLIM_INFINITY.
pub fn getrlimit(resource: u32) -> Result<(u64, u64)> {
    let mut limit = [0u64; 2];
    // SAFETY: the kernel writes a `struct rlimit64`, two 64-bit numbers, to the array.
    unsafe { call!(prlimit64, 0, resource, 0, limit.as_mut_ptr()) }?;
    let [soft, hard] = limit;
    Ok((soft, hard))
}

/// `int prlimit(0, int resource, const struct rlimit *, NULL)`: setrlimit(2).
pub fn setrlimit(resource: u32, soft: u64, hard: u64) -> Result<()> {
    let limit = [soft, hard];
    // SAFETY: the kernel reads a `struct rlimit64`, two 64-bit numbers, from the array.
    unsafe { call!(prlimit64, 0, resource, limit.as_ptr(), 0) }.map(drop)
}

/// `int sched_setaffinity(0, size_t len, const cpu_set_t *mask)`: sched_setaffinity(2).
pub fn sched_setaffinity(mask: &[u8]) -> Result<()> {
    // SAFETY: the kernel reads `len` bytes of the mask.
    unsafe { call!(sched_setaffinity, 0, mask.len(), mask.as_ptr()) }.map(drop)
}

/// What sched_setattr(2) takes.
pub struct Scheduling {
    /// SCHED_*.
    pub policy: u32,
    /// The bits of an i32.
    pub nice: u32,
    /// The static priority.
    pub priority: u32,
    /// SCHED_FLAG_*.
    pub flags: u64,
    /// Nanoseconds.
    pub runtime: u64,
    /// Nanoseconds.
    pub deadline: u64,
    /// Nanoseconds.
    pub period: u64,
}

/// `int sched_setattr(0, struct sched_attr *attr, 0)`: sched_setattr(2).
pub fn sched_setattr(scheduling: Scheduling) -> Result<()> {
    /// `struct sched_attr` with the clamps of utilisation, which are 0.
    #[repr(C)]
    struct Attributes {
        size: u32,
        policy: u32,
        flags: u64,
        nice: u32,
        priority: u32,
        runtime: u64,
        deadline: u64,
        period: u64,
        clamps: [u32; 2],
    }
    let Scheduling { policy, nice, priority, flags, runtime, deadline, period } = scheduling;
    let size = size_of::<Attributes>() as u32;
    let clamps = [0; 2];
    let attributes = Attributes { size, policy, flags, nice, priority, runtime, deadline, period, clamps };
    // SAFETY: the kernel reads `size` bytes of the structure, and writes its own size there if it is another.
    unsafe { call!(sched_setattr, 0, core::ptr::from_ref(&attributes), 0) }.map(drop)
}

/// `int ioprio_set(IOPRIO_WHO_PROCESS, 0, int ioprio)`: ioprio_set(2).
pub fn ioprio_set(value: u32) -> Result<()> {
    const WHO_PROCESS: u32 = 1;
    // SAFETY: no pointers.
    unsafe { call!(ioprio_set, WHO_PROCESS, 0, value) }.map(drop)
}

/// `int personality(unsigned long persona)`: personality(2).
pub fn personality(domain: u32) -> Result<()> {
    // SAFETY: no pointers.
    unsafe { call!(personality, domain) }.map(drop)
}

/// `long set_mempolicy(int mode, const unsigned long *nodemask, unsigned long maxnode)`: set_mempolicy(2). The mask is
/// of whole words; an empty one is none at all.
pub fn set_mempolicy(mode: u16, nodes: &[u8]) -> Result<()> {
    // The kernel counts one bit less than it is told.
    let bits = if nodes.is_empty() { 0 } else { nodes.len().saturating_mul(8).saturating_add(1) };
    let mask = if nodes.is_empty() { core::ptr::null() } else { nodes.as_ptr() };
    // SAFETY: the kernel reads that many bits, rounded up to whole words.
    unsafe { call!(set_mempolicy, mode, mask, bits) }.map(drop)
}

/// `int sethostname(const char *name, size_t len)`: sethostname(2).
pub fn sethostname(name: &CStr) -> Result<()> {
    rustix::system::sethostname(name.to_bytes())
}

/// `int setdomainname(const char *name, size_t len)`: setdomainname(2).
pub fn setdomainname(name: &CStr) -> Result<()> {
    rustix::system::setdomainname(name.to_bytes())
}
