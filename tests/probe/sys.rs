//! The system calls of the probe that std has no word for.

use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;

use nix::unistd::{getegid, geteuid, getgid, getgroups, getpgrp, getpid, getppid, getsid, getuid};
use serde_json::{Value, json};

fn check(result: libc::c_long) -> io::Result<i64> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// fcntl(2) F_GETFD: asks about a descriptor without needing another.
pub fn is_open(fd: i32) -> bool {
    // SAFETY: F_GETFD only reads the descriptor's flags.
    unsafe { libc::fcntl(fd, libc::F_GETFD) >= 0 }
}

/// sched_getattr(2): policy, flags, nice value, priority and, for deadlines, the three times.
pub fn scheduler() -> io::Result<Value> {
    let mut words = [0u32; 12];
    let size = size_of_val(&words);
    // SAFETY: the kernel writes at most `size` bytes, which the array has.
    check(unsafe { libc::syscall(libc::SYS_sched_getattr, 0, words.as_mut_ptr(), size, 0) })?;
    let [_, policy, flags, _, nice, priority, times @ ..] = words;
    let time = |pair: &[u32]| pair.iter().rev().fold(0, |time, half| time << 32 | u64::from(*half));
    let times: Vec<u64> = times.chunks(2).map(time).collect();
    Ok(json!({"policy": policy, "flags": flags, "nice": nice as i32, "priority": priority, "times": times}))
}

/// ioprio_get(2): class and level.
pub fn io_priority() -> io::Result<Value> {
    // SAFETY: no pointers.
    let value = check(unsafe { libc::syscall(libc::SYS_ioprio_get, 1, 0) })?;
    Ok(json!({"class": value >> 13, "level": value & 7}))
}

/// get_mempolicy(2): mode with its flags, and the first word of the node mask.
pub fn memory_policy() -> io::Result<Value> {
    let (mut mode, mut nodes) = (0i32, [0u64; 16]);
    let bits = size_of_val(&nodes) * 8;
    // SAFETY: the kernel writes one int and at most as many bits as the array has.
    check(unsafe {
        libc::syscall(libc::SYS_get_mempolicy, &raw mut mode, nodes.as_mut_ptr(), bits, 0usize, 0)
    })?;
    Ok(json!({"mode": mode, "nodes": nodes[0]}))
}

/// write(2) of one line to a descriptor that was handed in by number.
pub fn write_to(fd: i32) -> io::Result<()> {
    let text = b"from inside\n";
    // SAFETY: the buffer is valid for its length; a wrong descriptor is only an error.
    check(unsafe { libc::write(fd, text.as_ptr().cast(), text.len()) } as libc::c_long).map(drop)
}

/// All signals, blocked, to be fetched one at a time.
pub struct AllSignals(libc::sigset_t);

impl AllSignals {
    pub fn block() -> io::Result<Self> {
        let mut set = MaybeUninit::uninit();
        // SAFETY: sigfillset initialises the set that sigprocmask then reads.
        unsafe {
            libc::sigfillset(set.as_mut_ptr());
            check(libc::sigprocmask(libc::SIG_BLOCK, set.as_ptr(), std::ptr::null_mut()).into())?;
            Ok(Self(set.assume_init()))
        }
    }

    pub fn next(&mut self) -> io::Result<i32> {
        loop {
            // SAFETY: the set is initialised; no siginfo is asked for.
            let waited = check(unsafe { libc::sigwaitinfo(&self.0, std::ptr::null_mut()) }.into());
            match waited {
                // The freezer of cgroup v2 has stopped us meanwhile.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                waited => return waited.map(|signal| signal as i32),
            }
        }
    }
}

/// Ends by `signal`; returns only if the kernel does not deliver it (pid 1 without a handler).
pub fn die_by(signal: i32) -> io::Result<()> {
    // SAFETY: both calls only change this process.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::kill(libc::getpid(), signal);
    }
    Err(io::Error::other("still alive"))
}

/// Forks; the child does `work`, the parent ends.
pub fn leave_child_behind(work: fn() -> io::Result<()>) -> io::Result<()> {
    // SAFETY: the program has one thread, so the child may do anything.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => work(),
        _ => std::process::exit(0),
    }
}

/// Ends the first thread and has another live on.
pub fn leave_thread_behind() -> io::Result<()> {
    std::thread::spawn(|| {
        loop {
            std::thread::park();
        }
    });
    super::say("the first thread ends")?;
    // SAFETY: exit(2) ends this thread alone, which holds nothing that the other one needs.
    unsafe { libc::syscall(libc::SYS_exit, 0) };
    Ok(())
}

/// Starts up to `count` children that live at the same time; returns how many could be started.
pub fn fork_at_once(count: usize) -> usize {
    let mut children = Vec::new();
    for _ in 0..count {
        // SAFETY: the program has one thread; the child only waits to be killed.
        match unsafe { libc::fork() } {
            -1 => break,
            // SAFETY: pause(2) and _exit(2) have no preconditions.
            0 => unsafe {
                libc::pause();
                libc::_exit(0)
            },
            pid => children.push(pid),
        }
    }
    for &pid in &children {
        // SAFETY: a child of ours, not yet waited for, so the pid is still its.
        unsafe {
            libc::kill(pid, libc::SIGKILL);
            libc::waitpid(pid, std::ptr::null_mut(), 0);
        }
    }
    children.len()
}

/// Uses `bytes` of memory, page by page.
pub fn touch_memory(bytes: usize) -> usize {
    let mut memory = vec![0u8; bytes];
    for page in memory.iter_mut().step_by(4096) {
        *page = 1;
    }
    std::hint::black_box(&memory).len()
}

pub fn process_ids() -> Value {
    json!({
        "pid": getpid().as_raw(),
        "ppid": getppid().as_raw(),
        "pgrp": getpgrp().as_raw(),
        "sid": getsid(None).map(|sid| sid.as_raw()).unwrap_or(-1),
    })
}

pub fn ids() -> io::Result<Value> {
    let groups: Vec<u32> = getgroups()?.into_iter().map(|gid| gid.as_raw()).collect();
    Ok(json!({
        "uid": getuid().as_raw(),
        "euid": geteuid().as_raw(),
        "gid": getgid().as_raw(),
        "egid": getegid().as_raw(),
        "groups": groups,
    }))
}

pub fn umask() -> u32 {
    // SAFETY: umask(2) cannot fail; the value is put back at once.
    unsafe {
        let mask = libc::umask(0);
        libc::umask(mask);
        mask
    }
}

pub fn rlimits() -> io::Result<Value> {
    let limits = [
        ("RLIMIT_AS", libc::RLIMIT_AS),
        ("RLIMIT_CORE", libc::RLIMIT_CORE),
        ("RLIMIT_CPU", libc::RLIMIT_CPU),
        ("RLIMIT_DATA", libc::RLIMIT_DATA),
        ("RLIMIT_FSIZE", libc::RLIMIT_FSIZE),
        ("RLIMIT_LOCKS", libc::RLIMIT_LOCKS),
        ("RLIMIT_MEMLOCK", libc::RLIMIT_MEMLOCK),
        ("RLIMIT_MSGQUEUE", libc::RLIMIT_MSGQUEUE),
        ("RLIMIT_NICE", libc::RLIMIT_NICE),
        ("RLIMIT_NOFILE", libc::RLIMIT_NOFILE),
        ("RLIMIT_NPROC", libc::RLIMIT_NPROC),
        ("RLIMIT_RSS", libc::RLIMIT_RSS),
        ("RLIMIT_RTPRIO", libc::RLIMIT_RTPRIO),
        ("RLIMIT_RTTIME", libc::RLIMIT_RTTIME),
        ("RLIMIT_SIGPENDING", libc::RLIMIT_SIGPENDING),
        ("RLIMIT_STACK", libc::RLIMIT_STACK),
    ];
    let mut seen = serde_json::Map::new();
    for (name, resource) in limits {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: the kernel writes one rlimit, which outlives the call.
        check(unsafe { libc::getrlimit(resource, &raw mut limit) }.into())?;
        seen.insert(name.to_owned(), json!([limit.rlim_cur, limit.rlim_max]));
    }
    Ok(Value::Object(seen))
}

/// Names of the network interfaces and whether each is up.
pub fn interfaces() -> io::Result<Value> {
    let mut seen = serde_json::Map::new();
    for interface in &nix::net::if_::if_nameindex()? {
        let name = interface.name().to_string_lossy().into_owned();
        let up = is_up(interface.name())?;
        seen.insert(name, up.into());
    }
    Ok(Value::Object(seen))
}

/// The addresses of each interface, as text.
pub fn addresses() -> io::Result<Value> {
    let mut seen = serde_json::Map::new();
    for interface in nix::ifaddrs::getifaddrs()? {
        let Some(address) = interface.address else { continue };
        let list = seen.entry(interface.interface_name).or_insert_with(|| json!([]));
        list.as_array_mut().into_iter().for_each(|list| list.push(address.to_string().into()));
    }
    Ok(Value::Object(seen))
}

fn is_up(name: &CStr) -> io::Result<bool> {
    // SAFETY: ifreq is plain data for which zeroes are valid; the name is shorter than IFNAMSIZ because the kernel
    // gave it; the socket is closed before the return.
    unsafe {
        let mut request: libc::ifreq = std::mem::zeroed();
        for (to, from) in request.ifr_name.iter_mut().zip(name.to_bytes()) {
            *to = *from as libc::c_char;
        }
        let socket = libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0);
        let result = check(libc::ioctl(socket, libc::SIOCGIFFLAGS, &mut request).into());
        libc::close(socket);
        result?;
        Ok(i32::from(request.ifr_ifru.ifru_flags) & libc::IFF_UP != 0)
    }
}

pub fn personality() -> i32 {
    // SAFETY: 0xffffffff only asks.
    unsafe { libc::personality(0xffff_ffff) }
}

pub fn dumpable() -> i32 {
    // SAFETY: PR_GET_DUMPABLE takes no pointer.
    unsafe { libc::prctl(libc::PR_GET_DUMPABLE, 0, 0, 0, 0) }
}

pub fn securebits() -> i32 {
    // SAFETY: PR_GET_SECUREBITS takes no pointer.
    unsafe { libc::prctl(libc::PR_GET_SECUREBITS, 0, 0, 0, 0) }
}

/// kill(2) of every process that pid 1 sees, over and over, until there is a file `until`.
pub fn strike_all(signal: i32, until: &std::path::Path) -> io::Result<()> {
    if getpid().as_raw() != 1 {
        return Err(io::Error::other("not in a PID namespace of its own"));
    }
    super::say("striking")?;
    while !until.exists() {
        // Many times a look: it is to be quick. ESRCH: there is nobody.
        for _ in 0..1000 {
            // SAFETY: in a PID namespace of its own it reaches nobody else.
            unsafe { libc::kill(-1, signal) };
        }
    }
    Ok(())
}

/// setresuid(2) of a process that is root.
pub fn become_user(uid: u32) -> io::Result<()> {
    // SAFETY: takes numbers only.
    check(unsafe { libc::setresuid(uid, uid, uid) }.into()).map(drop)
}

/// keyctl(2) KEYCTL_DESCRIBE of the session keyring: `type;uid;gid;perm;description`.
pub fn session_keyring() -> io::Result<String> {
    const KEYCTL_DESCRIBE: libc::c_long = 6;
    const KEY_SPEC_SESSION_KEYRING: libc::c_long = -3;
    let mut text = [0u8; 256];
    // SAFETY: the buffer is valid for the length given.
    let length = check(unsafe {
        libc::syscall(
            libc::SYS_keyctl,
            KEYCTL_DESCRIBE,
            KEY_SPEC_SESSION_KEYRING,
            text.as_mut_ptr(),
            text.len(),
            0,
        )
    })?;
    let text = text.get(..(length as usize).saturating_sub(1)).unwrap_or_default();
    Ok(String::from_utf8_lossy(text).into_owned())
}

/// What kind of terminal stdin is: size as `ROWSxCOLUMNS`, and whether it is the controlling one.
pub fn tty() -> Value {
    // SAFETY: winsize is plain data; the ioctls write to it and to nothing else.
    unsafe {
        let mut size: libc::winsize = std::mem::zeroed();
        let has_size = libc::ioctl(0, libc::TIOCGWINSZ, &mut size) == 0;
        let controlling = libc::tcgetsid(0) == libc::getsid(0);
        let are: Vec<bool> = (0..3).map(|fd| libc::isatty(fd) == 1).collect();
        let name = std::fs::read_link("/proc/self/fd/0").map(|name| name.display().to_string());
        json!({
            "stdio": are,
            "size": if has_size { format!("{}x{}", size.ws_row, size.ws_col) } else { String::new() },
            "controlling": controlling,
            "name": name.unwrap_or_default(),
        })
    }
}

/// mknod(2) of a device that no default rule allows: a block device 7:0 (loop).
pub fn make_device(path: &CStr) -> io::Result<()> {
    // SAFETY: the path is a C string.
    check(unsafe { libc::mknod(path.as_ptr(), libc::S_IFBLK | 0o600, libc::makedev(7, 0)) }.into()).map(drop)
}

/// A system call by number with no arguments: what seccomp makes of it.
pub fn bare_syscall(number: libc::c_long) -> io::Result<i64> {
    // SAFETY: the tests name only calls that are harmless with zeroes: the kernel refuses null pointers.
    check(unsafe { libc::syscall(number, 0, 0, 0, 0, 0, 0) })
}
