//! The container's cgroups: made, given the default device rules, entered, removed.
//!
//! Version 2 is entered by clone3 itself. The version 1 hierarchies of a hybrid layout have no such way: every one
//! takes a write to cgroup.procs.

use core::ffi::CStr;

use syscalls::Sysno;

use crate::sys::{AT_FDCWD, Done, call, close, mkdir, open, plain, read, write};

const O_WRONLY: i32 = 1;
const O_DIRECTORY: i32 = libc::O_DIRECTORY;

/// Most hierarchies a machine has: the thirteen version 1 controllers, a named one, and version 2.
pub const MOST: usize = 15;

/// The cgroups of one container.
pub struct Cgroups<'a> {
    /// On the version 2 hierarchy, if there is one.
    pub v2: Option<&'a CStr>,
    /// On each version 1 hierarchy.
    pub v1: &'a [&'a CStr],
}

impl Cgroups<'_> {
    /// Makes all cgroups and sets the device rules. Returns the version 2 directory, for clone3.
    pub fn make(&self) -> Done<Option<usize>> {
        for path in self.v1 {
            mkdir("mkdir cgroup", path, 0o755)?;
            match controller(path) {
                b"devices" => allow_default_devices_v1(path)?,
                b"cpuset" => inherit_cpuset(path)?,
                _ => {}
            }
        }
        let Some(path) = self.v2 else { return Ok(None) };
        mkdir("mkdir cgroup", path, 0o755)?;
        let dir = open("open cgroup", AT_FDCWD, path, O_DIRECTORY)?;
        if self.v1.is_empty() {
            allow_default_devices_v2(dir)?;
        }
        Ok(Some(dir))
    }

    /// Moves the caller into the version 1 cgroups.
    pub fn enter_v1(&self) -> Done<()> {
        for path in self.v1 {
            let dir = open("open cgroup", AT_FDCWD, path, O_DIRECTORY)?;
            let procs = open("open cgroup.procs", dir, c"cgroup.procs", O_WRONLY)?;
            write("write cgroup.procs", procs, b"0")?;
            close(procs);
            close(dir);
        }
        Ok(())
    }

    /// Removes all cgroups; the container's only process has been waited for.
    pub fn remove(&self) -> Done<()> {
        for path in self.v2.iter().chain(self.v1) {
            remove(path)?;
        }
        Ok(())
    }
}

/// The hierarchy's name: the folder under /sys/fs/cgroup.
pub fn controller(path: &CStr) -> &[u8] {
    let path = path.to_bytes();
    let below = path.strip_prefix(b"/sys/fs/cgroup/").unwrap_or(path);
    below.split(|&byte| byte == b'/').next().unwrap_or(below)
}

fn remove(path: &CStr) -> Done {
    const EBUSY: i32 = libc::EBUSY;
    let mut left = 100;
    loop {
        let args = [AT_FDCWD, path.as_ptr() as usize, libc::AT_REMOVEDIR as usize, 0, 0, 0];
        // SAFETY: the path is NUL-terminated.
        match unsafe { call("rmdir cgroup", Sysno::unlinkat, args) } {
            Err(failure) if failure.errno == EBUSY && left > 0 => {
                left -= 1;
                plain("sched_yield", Sysno::sched_yield, [0; 6])?;
            }
            answer => return answer,
        }
    }
}

/// A new cpuset has no processor and no memory node, and refuses processes until it has both.
fn inherit_cpuset(path: &CStr) -> Done<()> {
    let dir = open("open cgroup", AT_FDCWD, path, O_DIRECTORY)?;
    for (above, here) in [(c"../cpuset.cpus", c"cpuset.cpus"), (c"../cpuset.mems", c"cpuset.mems")] {
        let mut list = [0; 256];
        let from = open("open the parent's cpuset", dir, above, 0)?;
        let count = read("read the parent's cpuset", from, &mut list)?;
        let to = open("open cpuset", dir, here, O_WRONLY)?;
        write("write cpuset", to, list.get(..count).unwrap_or(&[]))?;
        close(from);
        close(to);
    }
    close(dir);
    Ok(())
}

/// What runc lets every container use: any mknod, the six standard devices, terminals and tun.
fn allow_default_devices_v1(path: &CStr) -> Done<()> {
    const ALLOWED: [&[u8]; 11] = [
        b"c *:* m",
        b"b *:* m",
        b"c 1:3 rwm",
        b"c 1:5 rwm",
        b"c 1:7 rwm",
        b"c 1:8 rwm",
        b"c 1:9 rwm",
        b"c 5:0 rwm",
        b"c 5:2 rwm",
        b"c 136:* rwm",
        b"c 10:200 rwm",
    ];
    let dir = open("open cgroup", AT_FDCWD, path, O_DIRECTORY)?;
    let deny = open("open devices.deny", dir, c"devices.deny", O_WRONLY)?;
    write("write devices.deny", deny, b"a")?;
    let allow = open("open devices.allow", dir, c"devices.allow", O_WRONLY)?;
    for rule in ALLOWED {
        write("write devices.allow", allow, rule)?;
    }
    for fd in [deny, allow, dir] {
        close(fd);
    }
    Ok(())
}

/// One instruction of eBPF: operation, registers, jump distance and constant.
const fn bpf(op: u64, dst: u64, src: u64, off: u64, imm: u64) -> u64 {
    op | dst << 8 | src << 12 | off << 16 | imm << 32
}

/// The rules of [`allow_default_devices_v1`] as a program on `struct bpf_cgroup_dev_ctx { type | access << 16, major,
/// minor }`. Jumps go to the last two pairs: 1 (allow), 0 (deny).
static DEVICE_RULES: [u64; 24] = {
    const LOAD: u64 = 0x61;
    const JEQ: u64 = 0x15;
    const JNE: u64 = 0x55;
    [
        bpf(LOAD, 2, 1, 0, 0),
        bpf(LOAD, 3, 1, 4, 0),
        bpf(LOAD, 4, 1, 8, 0),
        bpf(0xbf, 5, 2, 0, 0),  // r5 = r2
        bpf(0x77, 5, 0, 0, 16), // r5 >>= 16: the access asked for
        bpf(JEQ, 5, 0, 14, 1),  // mknod alone: allow
        bpf(0x57, 2, 0, 0, 0xffff),
        bpf(JNE, 2, 0, 14, 2), // not a character device: deny
        bpf(JEQ, 3, 0, 11, 136),
        bpf(JNE, 3, 0, 5, 1), // not 1:n: go and look at 5:n
        bpf(JEQ, 4, 0, 9, 3),
        bpf(JEQ, 4, 0, 8, 5),
        bpf(JEQ, 4, 0, 7, 7),
        bpf(JEQ, 4, 0, 6, 8),
        bpf(JEQ, 4, 0, 5, 9),
        bpf(JNE, 3, 0, 2, 5), // not 5:n: go and look at 10:200
        bpf(JEQ, 4, 0, 3, 0),
        bpf(JEQ, 4, 0, 2, 2),
        bpf(JNE, 3, 0, 3, 10),
        bpf(JNE, 4, 0, 2, 200),
        bpf(0xb7, 0, 0, 0, 1),
        bpf(0x95, 0, 0, 0, 0),
        bpf(0xb7, 0, 0, 0, 0),
        bpf(0x95, 0, 0, 0, 0),
    ]
};

fn allow_default_devices_v2(cgroup: usize) -> Done<()> {
    const BPF_PROG_LOAD: usize = 5;
    const BPF_PROG_ATTACH: usize = 8;
    const BPF_PROG_TYPE_CGROUP_DEVICE: u32 = 15;
    const BPF_CGROUP_DEVICE: u32 = 6;
    const BPF_F_ALLOW_MULTI: u32 = 2;
    #[repr(C)]
    struct Load {
        kind: u32,
        count: u32,
        program: u64,
        license: u64,
    }
    let load = Load {
        kind: BPF_PROG_TYPE_CGROUP_DEVICE,
        count: DEVICE_RULES.len() as u32,
        program: DEVICE_RULES.as_ptr() as u64,
        license: c"Apache-2.0".as_ptr() as u64,
    };
    let args = [BPF_PROG_LOAD, &raw const load as usize, size_of::<Load>(), 0, 0, 0];
    // SAFETY: the attribute block, the program and the licence outlive the call.
    let program = unsafe { call("load the device rules", Sysno::bpf, args)? };
    let attach = [cgroup as u32, program as u32, BPF_CGROUP_DEVICE, BPF_F_ALLOW_MULTI];
    let args = [BPF_PROG_ATTACH, attach.as_ptr() as usize, size_of_val(&attach), 0, 0, 0];
    // SAFETY: the attribute block outlives the call.
    unsafe { call("attach the device rules", Sysno::bpf, args)? };
    close(program);
    Ok(())
}
