//! The process becomes the container's user, with its groups and capabilities.

use super::Container;
use crate::fault::{During, Fault, Result};
use crate::sys::{Errno, cred};
use skeg_proto::Op;

/// Who.
pub struct User {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// Whether setgroups(2) is called.
    pub setgroups: bool,
}

/// The five sets of capabilities(7).
pub struct Sets {
    /// The bounding set.
    pub bounding: u64,
    /// The permitted set.
    pub permitted: u64,
    /// The effective set.
    pub effective: u64,
    /// The inheritable set.
    pub inheritable: u64,
    /// The ambient set.
    pub ambient: u64,
}

/// Groups, user and capabilities, in the one order that works.
pub fn credentials(container: &mut Container<'_>, user: User, sets: &Sets) -> Result<()> {
    // While CAP_SETPCAP is there.
    drop_bounding(sets.bounding)?;
    // Before the user changes: otherwise the permitted set goes with it.
    cred::set_keepcaps(true).during(Op::Prctl)?;
    if user.setgroups {
        let gids = container.registers.groups.map_or(&[][..], |groups| groups.as_bytes());
        // Before setgid and setuid: while CAP_SETGID is there.
        cred::setgroups(gids).during(Op::Setgroups)?;
    }
    cred::setgid(user.gid).during(Op::Setgid)?;
    cred::setuid(user.uid).during(Op::Setuid)?;
    cred::set_keepcaps(false).during(Op::Prctl)?;
    // After the user has changed, before the capabilities that may enter a directory are dropped.
    super::program::late_workdir(container)?;
    cred::capset(sets.effective, sets.permitted, sets.inheritable).during(Op::Capset)?;
    // After capset: only what is permitted and inheritable can be ambient.
    raise_ambient(sets.ambient)
}

/// Clears the securebits of whoever called the runtime: under SECBIT_NO_SETUID_FIXUP a program that changes from root to
/// another user would keep its capabilities. What is locked stays, which the kernel demands (capabilities(7)).
pub fn clear_securebits() -> Result<()> {
    // Each bit has its lock beside it.
    const LOCKS: u32 = 0xaaaa_aaaa;
    let bits = cred::securebits().during(Op::Prctl)?;
    let locked = bits & (LOCKS | (bits & LOCKS) >> 1);
    if bits != locked {
        cred::set_securebits(locked).during(Op::Prctl)?;
    }
    Ok(())
}

/// Drops from the bounding set what is not to stay, up to the last capability that the kernel knows.
fn drop_bounding(keep: u64) -> Result<()> {
    for capability in (0..u64::BITS).filter(|capability| !has(keep, *capability)) {
        match cred::bounding_drop(capability) {
            Ok(()) => {}
            Err(Errno::INVAL) => return Ok(()),
            // Without CAP_SETPCAP: fine if it is not in the set anyway.
            Err(Errno::PERM) if cred::bounding_has(capability) == Ok(false) => {}
            Err(errno) => return Err(Fault::new(Op::Bounding, errno).with(capability)),
        }
    }
    Ok(())
}

fn raise_ambient(ambient: u64) -> Result<()> {
    cred::ambient_clear().during(Op::Ambient)?;
    for capability in (0..u64::BITS).filter(|capability| has(ambient, *capability)) {
        match cred::ambient_raise(capability) {
            // Not permitted, not inheritable or not known: runc goes on without it, too.
            Ok(()) | Err(Errno::PERM | Errno::INVAL) => {}
            Err(errno) => return Err(Fault::new(Op::Ambient, errno).with(capability)),
        }
    }
    Ok(())
}

fn has(set: u64, capability: u32) -> bool {
    (set >> (capability % u64::BITS)) & 1 == 1
}
