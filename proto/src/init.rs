//! INIT, the first message of every stream: libcontainer's bootstrap message, as runc's nsexec reads it.

use crate::field::{Field, Str, U32};
use crate::frame::{DecodeError, Message};
use byteorder::{ByteOrder, NativeEndian};
use core::ffi::CStr;

/// `nlmsg_type` of INIT.
pub const INIT: u16 = 62000;
/// New namespaces to create, `u32` of CLONE_NEW* flags.
pub const CLONE_FLAGS: u16 = 27281;
/// Namespaces to join: `type:path,type:path`, in order.
pub const NS_PATHS: u16 = 27282;
/// `container host size` lines.
pub const UIDMAP: u16 = 27283;
/// `container host size` lines.
pub const GIDMAP: u16 = 27284;
/// Whether setgroups(2) stays allowed.
pub const SETGROUP: u16 = 27285;
/// Decimal text.
pub const OOM_SCORE_ADJ: u16 = 27286;
/// Whether the runtime runs without root's privileges.
pub const ROOTLESS_EUID: u16 = 27287;
/// Path of newuidmap.
pub const UIDMAP_PATH: u16 = 27288;
/// Path of newgidmap.
pub const GIDMAP_PATH: u16 = 27289;
/// `clock secs nanos` lines.
pub const TIME_OFFSETS: u16 = 27290;

/// The name of an attribute of INIT.
pub fn attribute_name(number: u16) -> Option<&'static str> {
    Some(match number {
        CLONE_FLAGS => "CLONE_FLAGS",
        NS_PATHS => "NS_PATHS",
        UIDMAP => "UIDMAP",
        GIDMAP => "GIDMAP",
        SETGROUP => "SETGROUP",
        OOM_SCORE_ADJ => "OOM_SCORE_ADJ",
        ROOTLESS_EUID => "ROOTLESS_EUID",
        UIDMAP_PATH => "UIDMAP_PATH",
        GIDMAP_PATH => "GIDMAP_PATH",
        TIME_OFFSETS => "TIME_OFFSETS",
        _ => return None,
    })
}

/// The bootstrap message, borrowed from the stream.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Init<'a> {
    /// CLONE_NEW* flags of the namespaces to create.
    pub clone_flags: u32,
    /// `type:path,type:path`, in join order.
    pub ns_paths: Option<&'a CStr>,
    /// `container host size` lines.
    pub uid_map: Option<&'a CStr>,
    /// `container host size` lines.
    pub gid_map: Option<&'a CStr>,
    /// Whether setgroups(2) stays allowed.
    pub setgroups: bool,
    /// Decimal text for /proc/self/oom_score_adj.
    pub oom_score_adj: Option<&'a CStr>,
    /// Whether the runtime runs without root's privileges.
    pub rootless_euid: bool,
    /// Path of newuidmap.
    pub uidmap_path: Option<&'a CStr>,
    /// Path of newgidmap.
    pub gidmap_path: Option<&'a CStr>,
    /// `clock secs nanos` lines for /proc/self/timens_offsets.
    pub time_offsets: Option<&'a CStr>,
}

impl<'a> Init<'a> {
    /// Reads the message. Unknown and repeated attributes are errors.
    pub fn read(message: &Message<'a>) -> Result<Self, DecodeError> {
        if message.kind != INIT {
            return Err(DecodeError::UnknownMessage);
        }
        let mut init = Self::default();
        let mut seen = 0u32;
        for attribute in message.attributes() {
            let (kind, payload) = attribute?;
            let index = u32::from(kind.checked_sub(CLONE_FLAGS).ok_or(DecodeError::UnknownAttribute)?);
            let bit = 1u32.checked_shl(index).ok_or(DecodeError::UnknownAttribute)?;
            if seen & bit != 0 {
                return Err(DecodeError::DuplicateAttribute);
            }
            seen |= bit;
            init.set(kind, payload)?;
        }
        if seen & 1 == 0 {
            return Err(DecodeError::MissingAttribute);
        }
        Ok(init)
    }

    fn set(&mut self, kind: u16, payload: &'a [u8]) -> Result<(), DecodeError> {
        match kind {
            CLONE_FLAGS => self.clone_flags = U32::read(payload)?,
            NS_PATHS => self.ns_paths = Some(ns_paths(payload)?),
            UIDMAP => self.uid_map = Some(Str::read(payload)?),
            GIDMAP => self.gid_map = Some(Str::read(payload)?),
            SETGROUP => self.setgroups = boolean(payload)?,
            OOM_SCORE_ADJ => self.oom_score_adj = Some(Str::read(payload)?),
            ROOTLESS_EUID => self.rootless_euid = boolean(payload)?,
            UIDMAP_PATH => self.uidmap_path = Some(Str::read(payload)?),
            GIDMAP_PATH => self.gidmap_path = Some(Str::read(payload)?),
            TIME_OFFSETS => self.time_offsets = Some(Str::read(payload)?),
            _ => return Err(DecodeError::UnknownAttribute),
        }
        Ok(())
    }
}

/// The names of namespace types in NS_PATHS.
pub const NS_NAMES: [&str; 8] = ["user", "ipc", "uts", "net", "pid", "mnt", "cgroup", "time"];

/// PATH_MAX, less the final NUL.
const MAX_PATH: usize = 4095;

/// `type:path,type:path`: known types, at most one of each, and paths that the kernel takes.
fn ns_paths(payload: &[u8]) -> Result<&CStr, DecodeError> {
    let list = Str::read(payload)?;
    let mut seen = [false; NS_NAMES.len()];
    for entry in list.to_bytes().split(|byte| *byte == b',').filter(|entry| !entry.is_empty()) {
        let colon = entry.iter().position(|byte| *byte == b':').ok_or(DecodeError::BadValue)?;
        let (kind, path) = entry.split_at_checked(colon).ok_or(DecodeError::BadValue)?;
        let known = NS_NAMES.iter().position(|name| name.as_bytes() == kind).ok_or(DecodeError::BadValue)?;
        // The colon is counted with the path.
        if path.len() < 2 || path.len() > MAX_PATH.saturating_add(1) {
            return Err(DecodeError::BadValue);
        }
        if seen.get_mut(known).map(|seen| core::mem::replace(seen, true)) != Some(false) {
            return Err(DecodeError::DuplicateAttribute);
        }
    }
    Ok(list)
}

/// libcontainer writes a truth value as four bytes and reads the first: on the wire it is a `u32` of 0 or 1.
fn boolean(payload: &[u8]) -> Result<bool, DecodeError> {
    match payload.first_chunk::<4>().map(|b| NativeEndian::read_u32(b)) {
        Some(0) if payload.len() == 4 => Ok(false),
        Some(1) if payload.len() == 4 => Ok(true),
        _ => Err(DecodeError::BadValue),
    }
}
