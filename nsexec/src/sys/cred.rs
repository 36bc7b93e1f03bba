//! Users, groups, capabilities, keyrings and seccomp.

use super::{Errno, Result, call};
use core::ffi::CStr;
use rustix::thread::{CapabilitySet, CapabilitySets};

/// `SECCOMP_FILTER_FLAG_NEW_LISTENER`.
pub const SECCOMP_NEW_LISTENER: u16 = 1 << 3;

const PR_CAPBSET_READ: u32 = 23;
const PR_CAPBSET_DROP: u32 = 24;
const PR_GET_SECUREBITS: u32 = 27;
const PR_SET_SECUREBITS: u32 = 28;
const PR_CAP_AMBIENT: u32 = 47;
const PR_CAP_AMBIENT_RAISE: u32 = 2;

/// `int setresgid(gid_t, gid_t, gid_t)`: setresuid(2), all three.
pub fn setgid(gid: u32) -> Result<()> {
    // SAFETY: takes numbers only. This program has one thread, so the process's ids are this thread's.
    unsafe { call!(setresgid, gid, gid, gid) }.map(drop)
}

/// `int setresuid(uid_t, uid_t, uid_t)`: setresuid(2), all three.
pub fn setuid(uid: u32) -> Result<()> {
    // SAFETY: as in `setgid`.
    unsafe { call!(setresuid, uid, uid, uid) }.map(drop)
}

/// `int setgroups(size_t size, const gid_t *list)`: setgroups(2). `gids` are 32-bit numbers of the machine's order.
pub fn setgroups(gids: &[u8]) -> Result<()> {
    // SAFETY: the kernel reads as many whole numbers as the slice holds.
    unsafe { call!(setgroups, gids.len() / 4, gids.as_ptr()) }.map(drop)
}

/// `int setfsuid(uid_t)`: setfsuid(2). Returns the one that was; it has no errors.
pub fn setfsuid(uid: u32) -> u32 {
    // SAFETY: takes a number only.
    unsafe { syscalls::raw_syscall!(syscalls::Sysno::setfsuid, uid) as u32 }
}

/// `int setfsgid(gid_t)`: setfsgid(2). Returns the one that was; it has no errors.
pub fn setfsgid(gid: u32) -> u32 {
    // SAFETY: takes a number only.
    unsafe { syscalls::raw_syscall!(syscalls::Sysno::setfsgid, gid) as u32 }
}

/// `prctl(PR_SET_KEEPCAPS)`: the permitted set survives the change to a user other than root.
pub fn set_keepcaps(keep: bool) -> Result<()> {
    rustix::thread::set_keep_capabilities(keep)
}

/// `prctl(PR_GET_SECUREBITS)`.
pub fn securebits() -> Result<u32> {
    // SAFETY: takes numbers only.
    unsafe { call!(prctl, PR_GET_SECUREBITS, 0, 0, 0, 0) }.map(|bits| bits as u32)
}

/// `prctl(PR_SET_SECUREBITS)`.
pub fn set_securebits(bits: u32) -> Result<()> {
    // SAFETY: takes numbers only.
    unsafe { call!(prctl, PR_SET_SECUREBITS, bits, 0, 0, 0) }.map(drop)
}

/// `prctl(PR_SET_NO_NEW_PRIVS)`.
pub fn set_no_new_privs() -> Result<()> {
    rustix::thread::set_no_new_privs(true)
}

/// `int capget(...)`: capget(2). The effective, the permitted and the inheritable set.
pub fn capget() -> Result<(u64, u64, u64)> {
    let sets = rustix::thread::capabilities(None)?;
    Ok((sets.effective.bits(), sets.permitted.bits(), sets.inheritable.bits()))
}

/// `int capset(...)`: capset(2).
pub fn capset(effective: u64, permitted: u64, inheritable: u64) -> Result<()> {
    let sets = CapabilitySets {
        effective: CapabilitySet::from_bits_retain(effective),
        permitted: CapabilitySet::from_bits_retain(permitted),
        inheritable: CapabilitySet::from_bits_retain(inheritable),
    };
    rustix::thread::set_capabilities(None, sets)
}

/// `prctl(PR_CAPBSET_READ)`: whether a capability is in the bounding set. EINVAL: the kernel does not know it.
pub fn bounding_has(capability: u32) -> Result<bool> {
    // SAFETY: takes numbers only.
    unsafe { call!(prctl, PR_CAPBSET_READ, capability, 0, 0, 0) }.map(|answer| answer == 1)
}

/// `prctl(PR_CAPBSET_DROP)`.
pub fn bounding_drop(capability: u32) -> Result<()> {
    // SAFETY: takes numbers only.
    unsafe { call!(prctl, PR_CAPBSET_DROP, capability, 0, 0, 0) }.map(drop)
}

/// `prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)`.
pub fn ambient_clear() -> Result<()> {
    rustix::thread::clear_ambient_capability_set()
}

/// `prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE)`.
pub fn ambient_raise(capability: u32) -> Result<()> {
    // SAFETY: takes numbers only.
    unsafe { call!(prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) }.map(drop)
}

/// `int seccomp(SECCOMP_SET_MODE_FILTER, unsigned int flags, struct sock_fprog *prog)`: seccomp(2). Returns the
/// listener's number where one was asked for, otherwise 0.
pub fn seccomp(flags: u16, filter: &[u8]) -> Result<u32> {
    const SECCOMP_SET_MODE_FILTER: u32 = 1;
    const INSTRUCTION_LEN: usize = 8;
    #[repr(C)]
    struct Program {
        len: u16,
        filter: *const u8,
    }
    let len = u16::try_from(filter.len() / INSTRUCTION_LEN).map_err(|_| Errno::INVAL)?;
    let program = Program { len, filter: filter.as_ptr() };
    // SAFETY: the kernel reads `len` instructions of the filter, which is alive over the call.
    unsafe { call!(seccomp, SECCOMP_SET_MODE_FILTER, u32::from(flags), core::ptr::from_ref(&program)) }
        .map(|listener| listener as u32)
}

/// `keyctl(KEYCTL_JOIN_SESSION_KEYRING, const char *name)`: keyctl(2). Returns the keyring.
pub fn join_session_keyring(name: &CStr) -> Result<u32> {
    const KEYCTL_JOIN_SESSION_KEYRING: u32 = 1;
    // SAFETY: the kernel reads a NUL-terminated string.
    unsafe { call!(keyctl, KEYCTL_JOIN_SESSION_KEYRING, name.as_ptr()) }.map(|key| key as u32)
}

/// `keyctl(KEYCTL_DESCRIBE, key, char *buf, size_t len)`: `type;uid;gid;perm;description`, NUL-terminated. Returns
/// the length of the whole text, which may exceed the buffer's.
pub fn describe_key(key: u32, buffer: &mut [u8]) -> Result<usize> {
    const KEYCTL_DESCRIBE: u32 = 6;
    // SAFETY: the kernel writes at most `len` bytes to the buffer.
    unsafe { call!(keyctl, KEYCTL_DESCRIBE, key, buffer.as_mut_ptr(), buffer.len()) }
}

/// `keyctl(KEYCTL_SETPERM, key, key_perm_t perm)`: keyctl(2).
pub fn set_key_permissions(key: u32, permissions: u32) -> Result<()> {
    const KEYCTL_SETPERM: u32 = 5;
    // SAFETY: takes numbers only.
    unsafe { call!(keyctl, KEYCTL_SETPERM, key, permissions) }.map(drop)
}
