//! bpf(2), the one system call of this module that nix lacks. Nothing else here is `unsafe`.

use nix::errno::Errno;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

/// One eBPF instruction as the kernel reads it (`struct bpf_insn`).
pub(super) type Insn = u64;

/// `union bpf_attr` of any kernel so far, with room to spare: Linux 6.17 writes past the end of a shorter one. The
/// kernel takes a longer one than it knows when the rest is zero.
#[repr(C, align(8))]
struct Attr([u8; 512]);

const PROG_LOAD: libc::c_int = 5;
const PROG_ATTACH: libc::c_int = 8;
const PROG_DETACH: libc::c_int = 9;
const PROG_GET_FD_BY_ID: libc::c_int = 13;
const PROG_QUERY: libc::c_int = 16;

const PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const CGROUP_DEVICE: u32 = 6;
const ALLOW_MULTI: u32 = 1 << 1;
const REPLACE: u32 = 1 << 2;

/// The kernel allows no more programs on one cgroup (`BPF_CGROUP_MAX_PROGS`).
const MAX_PROGRAMS: usize = 64;

impl Attr {
    fn new() -> Self {
        Self([0; 512])
    }

    fn u32(mut self, offset: usize, value: u32) -> Self {
        if let Some(field) = self.0.get_mut(offset..offset + 4) {
            field.copy_from_slice(&value.to_ne_bytes());
        }
        self
    }

    fn fd(self, offset: usize, fd: &impl AsFd) -> Self {
        // A descriptor is never negative.
        let fd = u32::try_from(fd.as_fd().as_raw_fd()).unwrap_or(u32::MAX);
        self.u32(offset, fd)
    }

    fn pointer<T>(mut self, offset: usize, pointer: *const T) -> Self {
        if let Some(field) = self.0.get_mut(offset..offset + 8) {
            field.copy_from_slice(&(pointer.expose_provenance() as u64).to_ne_bytes());
        }
        self
    }

    fn get_u32(&self, offset: usize) -> u32 {
        let bytes = self.0.get(offset..offset + 4).and_then(|field| field.try_into().ok());
        u32::from_ne_bytes(bytes.unwrap_or_default())
    }

    /// `int bpf(int cmd, union bpf_attr *attr, unsigned int size)`, bpf(2).
    ///
    /// # Safety
    /// Every pointer in the attribute must be valid for what `command` does with it.
    unsafe fn call(&mut self, command: libc::c_int) -> Result<libc::c_long, Errno> {
        let attr: *mut Self = self;
        // SAFETY: `attr` is as long as the size says and borrowed mutably; the pointers in it are the caller's duty.
        Errno::result(unsafe { libc::syscall(libc::SYS_bpf, command, attr, size_of::<Self>()) })
    }
}

/// BPF_PROG_LOAD of a program of type BPF_PROG_TYPE_CGROUP_DEVICE.
pub(super) fn prog_load(program: &[Insn]) -> Result<OwnedFd, Errno> {
    let license = c"Apache-2.0";
    let length = u32::try_from(program.len()).map_err(|_| Errno::E2BIG)?;
    let mut attr = Attr::new()
        .u32(0, PROG_TYPE_CGROUP_DEVICE)
        .u32(4, length)
        .pointer(8, program.as_ptr())
        .pointer(16, license.as_ptr())
        .u32(68, CGROUP_DEVICE);
    // SAFETY: the kernel only reads `length` instructions and a NUL-terminated string; both outlive the call.
    let fd = unsafe { attr.call(PROG_LOAD) }?;
    owned(fd)
}

/// BPF_PROG_ATTACH beside other programs, or in the place of `old`.
pub(super) fn prog_attach(cgroup: &impl AsFd, program: &OwnedFd, old: Option<&OwnedFd>) -> Result<(), Errno> {
    let mut attr = Attr::new().fd(0, cgroup).fd(4, program).u32(8, CGROUP_DEVICE).u32(12, ALLOW_MULTI);
    if let Some(old) = old {
        attr = attr.u32(12, ALLOW_MULTI | REPLACE).fd(16, old);
    }
    // SAFETY: the attribute holds no pointer.
    unsafe { attr.call(PROG_ATTACH) }.map(drop)
}

/// BPF_PROG_DETACH.
pub(super) fn prog_detach(cgroup: &impl AsFd, program: &OwnedFd) -> Result<(), Errno> {
    let mut attr = Attr::new().fd(0, cgroup).fd(4, program).u32(8, CGROUP_DEVICE);
    // SAFETY: the attribute holds no pointer.
    unsafe { attr.call(PROG_DETACH) }.map(drop)
}

/// BPF_PROG_QUERY: the ids of the device programs that are attached to this very cgroup.
pub(super) fn prog_query(cgroup: &impl AsFd) -> Result<Vec<u32>, Errno> {
    let mut ids = vec![0_u32; MAX_PROGRAMS];
    let mut attr = Attr::new()
        .fd(0, cgroup)
        .u32(4, CGROUP_DEVICE)
        .pointer(16, ids.as_mut_ptr())
        .u32(24, u32::try_from(ids.len()).unwrap_or(0));
    // SAFETY: the kernel writes at most as many ids as the attribute says there is room for.
    unsafe { attr.call(PROG_QUERY) }?;
    ids.truncate(attr.get_u32(24) as usize);
    Ok(ids)
}

/// BPF_PROG_GET_FD_BY_ID.
pub(super) fn prog_by_id(id: u32) -> Result<OwnedFd, Errno> {
    let mut attr = Attr::new().u32(0, id);
    // SAFETY: the attribute holds no pointer.
    let fd = unsafe { attr.call(PROG_GET_FD_BY_ID) }?;
    owned(fd)
}

fn owned(fd: libc::c_long) -> Result<OwnedFd, Errno> {
    let fd = RawFd::try_from(fd).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel has just given out this descriptor (close-on-exec, as always with bpf), and nobody else
    // knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
