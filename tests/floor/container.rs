//! The child's half: from a new process in new namespaces to the container's program, for `runc spec`'s config.

use core::ffi::CStr;

use syscalls::Sysno;

use crate::cgroup::{Cgroups, MOST, controller};
use crate::sys::{AT_FDCWD, Done, Failure, call, close, mkdir, mount, open, plain};

const RDONLY: usize = libc::MS_RDONLY as usize;
const NOSUID: usize = libc::MS_NOSUID as usize;
const NODEV: usize = libc::MS_NODEV as usize;
const NOEXEC: usize = libc::MS_NOEXEC as usize;
const BIND: usize = libc::MS_BIND as usize;
const REC: usize = libc::MS_REC as usize;
const REMOUNT: usize = libc::MS_REMOUNT as usize;
const SLAVE: usize = libc::MS_SLAVE as usize;
const STRICTATIME: usize = libc::MS_STRICTATIME as usize;
const RELATIME: usize = libc::MS_RELATIME as usize;
const CLOEXEC: i32 = libc::O_CLOEXEC;

/// Does everything up to execve. `argv` and `envp` are NULL-terminated lists as execve takes them.
pub fn run(rootfs: &CStr, cgroups: &Cgroups<'_>, argv: *const *const u8, envp: *const *const u8) -> Done<()> {
    plain("setsid", Sysno::setsid, [0; 6])?;
    cgroups.enter_v1()?;
    join_session_keyring()?;
    bring_up_loopback()?;
    set_hostname(c"runc")?;
    let trees = clone_cgroup_mounts(cgroups)?;
    enter_root(rootfs)?;
    mount_all()?;
    if cgroups.v1.is_empty() {
        let flags = NOSUID | NODEV | NOEXEC | RELATIME | RDONLY;
        mount("mount cgroup2", c"cgroup", c"/sys/fs/cgroup", Some(c"cgroup2"), flags, None)?;
    } else {
        mount_cgroups_v1(cgroups, &trees)?;
    }
    make_devices()?;
    mount("remount /", c"", c"/", None, REMOUNT | BIND | RDONLY, None)?;
    restrict_paths()?;
    confine()?;
    let args = [argv as usize, envp as usize];
    // SAFETY: the caller's lists are NULL-terminated, and argv is not empty: main checked.
    unsafe {
        let program = *argv as usize;
        call("execve", Sysno::execve, [program, args[0], args[1], 0, 0, 0])?;
    }
    Ok(())
}

fn join_session_keyring() -> Done {
    const KEYCTL_JOIN_SESSION_KEYRING: usize = 1;
    let args = [KEYCTL_JOIN_SESSION_KEYRING, c"_ses.floor".as_ptr() as usize, 0, 0, 0, 0];
    // SAFETY: the name is NUL-terminated.
    unsafe { call("keyctl", Sysno::keyctl, args) }
}

fn bring_up_loopback() -> Done<()> {
    /// `struct ifreq` with its flags, netdevice(7).
    #[repr(C)]
    struct Request {
        name: [u8; 16],
        flags: u16,
        rest: [u8; 22],
    }
    let socket =
        plain("socket", Sysno::socket, [libc::AF_INET as usize, libc::SOCK_DGRAM as usize, 0, 0, 0, 0])?;
    let mut request =
        Request { name: [0; 16], flags: (libc::IFF_UP | libc::IFF_RUNNING) as u16, rest: [0; 22] };
    (request.name[0], request.name[1]) = (b'l', b'o');
    let args = [socket, libc::SIOCSIFFLAGS as usize, &raw mut request as usize, 0, 0, 0];
    // SAFETY: the request is as large as struct ifreq and outlives the call.
    unsafe { call("bring up lo", Sysno::ioctl, args)? };
    close(socket);
    Ok(())
}

fn set_hostname(name: &CStr) -> Done {
    // SAFETY: pointer and length are of one string.
    unsafe {
        call("sethostname", Sysno::sethostname, [name.as_ptr() as usize, name.count_bytes(), 0, 0, 0, 0])
    }
}

/// Copies of the container's version 1 cgroups as mounts, to be attached where their host paths are out of sight.
fn clone_cgroup_mounts(cgroups: &Cgroups<'_>) -> Done<[usize; MOST]> {
    const OPEN_TREE_CLONE: usize = 1;
    let mut trees = [0; MOST];
    for (tree, path) in trees.iter_mut().zip(cgroups.v1) {
        let args = [AT_FDCWD, path.as_ptr() as usize, OPEN_TREE_CLONE | CLOEXEC as usize, 0, 0, 0];
        // SAFETY: the path is NUL-terminated.
        *tree = unsafe { call("open_tree cgroup", Sysno::open_tree, args)? };
    }
    Ok(trees)
}

/// Makes `rootfs` the root before anything is mounted in it: short paths, and less to copy and to detach.
fn enter_root(rootfs: &CStr) -> Done {
    let dot = c".".as_ptr() as usize;
    mount("make / a slave", c"", c"/", None, REC | SLAVE, None)?;
    mount("bind the root filesystem", rootfs, rootfs, None, BIND | REC, None)?;
    // SAFETY: the paths are NUL-terminated.
    unsafe {
        call("chdir", Sysno::chdir, [rootfs.as_ptr() as usize, 0, 0, 0, 0, 0])?;
        call("pivot_root", Sysno::pivot_root, [dot, dot, 0, 0, 0, 0])?;
        call("umount the old root", Sysno::umount2, [dot, libc::MNT_DETACH as usize, 0, 0, 0, 0])?;
        call("chdir", Sysno::chdir, [c"/".as_ptr() as usize, 0, 0, 0, 0, 0])
    }
}

fn mount_all() -> Done {
    plain("umask", Sysno::umask, [0; 6])?;
    mount("mount proc", c"proc", c"/proc", Some(c"proc"), 0, None)?;
    let data = Some(c"mode=755,size=65536k");
    mount("mount /dev", c"tmpfs", c"/dev", Some(c"tmpfs"), NOSUID | STRICTATIME, data)?;
    mkdir("mkdir /dev/pts", c"/dev/pts", 0o755)?;
    let data = Some(c"newinstance,ptmxmode=0666,mode=0620,gid=5");
    mount("mount devpts", c"devpts", c"/dev/pts", Some(c"devpts"), NOSUID | NOEXEC, data)?;
    mkdir("mkdir /dev/shm", c"/dev/shm", 0o755)?;
    let data = Some(c"mode=1777,size=65536k");
    mount("mount shm", c"shm", c"/dev/shm", Some(c"tmpfs"), NOSUID | NOEXEC | NODEV, data)?;
    mkdir("mkdir /dev/mqueue", c"/dev/mqueue", 0o755)?;
    mount("mount mqueue", c"mqueue", c"/dev/mqueue", Some(c"mqueue"), NOSUID | NOEXEC | NODEV, None)?;
    mount("mount sysfs", c"sysfs", c"/sys", Some(c"sysfs"), NOSUID | NOEXEC | NODEV | RDONLY, None)
}

/// As every runtime shows version 1: a tmpfs with one directory for each hierarchy.
fn mount_cgroups_v1(cgroups: &Cgroups<'_>, trees: &[usize; MOST]) -> Done {
    const MOVE_MOUNT_F_EMPTY_PATH: usize = 4;
    const MOUNT_ATTR_RDONLY: u64 = 1;
    const MOUNT_ATTR_NOSUID: u64 = 2;
    const MOUNT_ATTR_NODEV: u64 = 4;
    const MOUNT_ATTR_NOEXEC: u64 = 8;
    let flags = NOSUID | NODEV | NOEXEC;
    let top = c"/sys/fs/cgroup";
    mount("mount the cgroup tmpfs", c"tmpfs", top, Some(c"tmpfs"), flags, Some(c"mode=755"))?;
    let dir = open("open /sys/fs/cgroup", AT_FDCWD, top, libc::O_DIRECTORY | CLOEXEC)?;
    let attributes = [MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, 0, 0, 0];
    for (&tree, path) in trees.iter().zip(cgroups.v1) {
        let mut name = [0; 32];
        for (to, from) in name.iter_mut().zip(controller(path)) {
            *to = *from;
        }
        let (name, empty) = (name.as_ptr() as usize, c"".as_ptr() as usize);
        let size = size_of_val(&attributes);
        // SAFETY: the strings are NUL-terminated (no controller's name has 32 letters), and the attributes outlive
        // the call.
        unsafe {
            call("mkdir for a cgroup", Sysno::mkdirat, [dir, name, 0o755, 0, 0, 0])?;
            let attributes = attributes.as_ptr() as usize;
            let args = [tree, empty, libc::AT_EMPTY_PATH as usize, attributes, size, 0];
            call("mount_setattr cgroup", Sysno::mount_setattr, args)?;
            call(
                "move_mount cgroup",
                Sysno::move_mount,
                [tree, empty, dir, name, MOVE_MOUNT_F_EMPTY_PATH, 0],
            )?;
        }
        close(tree);
    }
    close(dir);
    mount("remount the cgroup tmpfs", c"", top, None, REMOUNT | BIND | RDONLY | flags, None)
}

fn make_devices() -> Done<()> {
    const DEVICES: [(&CStr, usize); 6] = [
        (c"/dev/null", 0x103),
        (c"/dev/zero", 0x105),
        (c"/dev/full", 0x107),
        (c"/dev/random", 0x108),
        (c"/dev/urandom", 0x109),
        (c"/dev/tty", 0x500),
    ];
    const LINKS: [(&CStr, &CStr); 5] = [
        (c"/proc/self/fd", c"/dev/fd"),
        (c"/proc/self/fd/0", c"/dev/stdin"),
        (c"/proc/self/fd/1", c"/dev/stdout"),
        (c"/proc/self/fd/2", c"/dev/stderr"),
        (c"pts/ptmx", c"/dev/ptmx"),
    ];
    let mode = libc::S_IFCHR as usize | 0o666;
    for (path, number) in DEVICES {
        // SAFETY: the path is NUL-terminated.
        unsafe { call("mknod", Sysno::mknodat, [AT_FDCWD, path.as_ptr() as usize, mode, number, 0, 0])? };
    }
    for (text, path) in LINKS {
        let args = [text.as_ptr() as usize, AT_FDCWD, path.as_ptr() as usize, 0, 0, 0];
        // SAFETY: both strings are NUL-terminated.
        unsafe { call("symlink", Sysno::symlinkat, args)? };
    }
    plain("umask", Sysno::umask, [0o022, 0, 0, 0, 0, 0])?;
    Ok(())
}

fn is_directory(path: &CStr) -> Done<bool> {
    // `struct statx` is 256 bytes, statx(2); its mode is a u16 at 28.
    let mut answer = [0_u16; 128];
    let args =
        [AT_FDCWD, path.as_ptr() as usize, 0, libc::STATX_TYPE as usize, answer.as_mut_ptr() as usize, 0];
    // SAFETY: the path is NUL-terminated, and the answer has room for struct statx.
    unsafe { call("statx", Sysno::statx, args)? };
    let mode = u32::from(answer[14]);
    Ok(mode & libc::S_IFMT == libc::S_IFDIR)
}

/// Masked and read-only paths. A path the kernel does not have is skipped, as the specification says.
fn restrict_paths() -> Done<()> {
    const MASKED: [&CStr; 10] = [
        c"/proc/acpi",
        c"/proc/asound",
        c"/proc/kcore",
        c"/proc/keys",
        c"/proc/latency_stats",
        c"/proc/timer_list",
        c"/proc/timer_stats",
        c"/proc/sched_debug",
        c"/sys/firmware",
        c"/proc/scsi",
    ];
    const READONLY: [&CStr; 5] =
        [c"/proc/bus", c"/proc/fs", c"/proc/irq", c"/proc/sys", c"/proc/sysrq-trigger"];
    for path in MASKED {
        // Asked first: a bind of a file over a directory fails only after it was prepared, and dropping it again waits
        // for an RCU grace period, more than all masks together.
        match is_directory(path) {
            Ok(true) => mount("mask a directory", c"tmpfs", path, Some(c"tmpfs"), RDONLY, None)?,
            Ok(false) => mount("mask a file", c"/dev/null", path, None, BIND, None)?,
            Err(Failure { errno: libc::ENOENT, .. }) => continue,
            Err(failure) => return Err(failure),
        };
    }
    for path in READONLY {
        match mount("bind a path on itself", path, path, None, BIND | REC, None) {
            Err(Failure { errno: libc::ENOENT, .. }) => {}
            Err(failure) => return Err(failure),
            Ok(_) => {
                mount("make a path read-only", c"", path, None, REMOUNT | BIND | RDONLY, None)?;
            }
        }
    }
    Ok(())
}

/// Limits, groups, ids, capabilities, no_new_privs.
fn confine() -> Done<()> {
    const AUDIT_WRITE: usize = 29;
    const KILL: usize = 5;
    const NET_BIND_SERVICE: usize = 10;
    const KEPT: [usize; 3] = [AUDIT_WRITE, KILL, NET_BIND_SERVICE];
    const LAST: usize = 40;
    const VERSION_3: u32 = 0x2008_0522;
    let limit = [1024_u64, 1024];
    let args = [0, libc::RLIMIT_NOFILE as usize, limit.as_ptr() as usize, 0, 0, 0];
    // SAFETY: the limit is as large as struct rlimit64 and outlives the call.
    unsafe { call("prlimit64", Sysno::prlimit64, args)? };
    plain("setgroups", Sysno::setgroups, [0; 6])?;
    plain("setgid", Sysno::setgid, [0; 6])?;
    for capability in (0..=LAST).filter(|capability| !KEPT.contains(capability)) {
        let args = [libc::PR_CAPBSET_DROP as usize, capability, 0, 0, 0, 0];
        plain("drop a bounding capability", Sysno::prctl, args)?;
    }
    plain("setuid", Sysno::setuid, [0; 6])?;
    let kept = KEPT.iter().fold(0_u32, |set, capability| set | 1 << capability);
    let header = [VERSION_3, 0];
    let sets = [kept, kept, kept, 0, 0, 0];
    let args = [header.as_ptr() as usize, sets.as_ptr() as usize, 0, 0, 0, 0];
    // SAFETY: header and the two halves of the three sets have the layout of capset(2) and outlive the call.
    unsafe { call("capset", Sysno::capset, args)? };
    for capability in KEPT {
        let args = [libc::PR_CAP_AMBIENT as usize, libc::PR_CAP_AMBIENT_RAISE as usize, capability, 0, 0, 0];
        plain("raise an ambient capability", Sysno::prctl, args)?;
    }
    plain("no_new_privs", Sysno::prctl, [libc::PR_SET_NO_NEW_PRIVS as usize, 1, 0, 0, 0, 0])?;
    let args = [3, u32::MAX as usize, libc::CLOSE_RANGE_CLOEXEC as usize, 0, 0, 0];
    plain("close_range", Sysno::close_range, args)?;
    Ok(())
}
