//! The writer, for the runtime's side, on netlink-packet-core.

use crate::frame::{DONE, HEADER_LEN};
use crate::init;
use crate::step::{Payload, StepBuf};
use netlink_packet_core::{DefaultNla, Emitable, NLM_F_REQUEST, NetlinkBuffer};
use std::ffi::CString;
use std::vec::Vec;

pub use crate::dump::annotate;

/// The longest payload of an attribute: its length field is 16 bits wide and counts its header.
pub const MAX_ATTRIBUTE: usize = u16::MAX as usize - 4;

/// A value that does not fit on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteError {
    /// An attribute is longer than `MAX_ATTRIBUTE` (CVE-2021-43784 came from not refusing this).
    AttributeTooLong {
        /// `nlmsg_type` of the message.
        message: u16,
        /// The attribute's number.
        attribute: u16,
        /// Its payload's length in bytes.
        length: usize,
    },
    /// The stream is longer than `MAX_STREAM`.
    StreamTooLong {
        /// Its length in bytes.
        length: usize,
    },
}

impl std::fmt::Display for WriteError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AttributeTooLong { message, attribute, length } => {
                let message_name = crate::step::kind_name(*message).unwrap_or("INIT");
                let name = crate::step::attribute_name(*message, *attribute)
                    .or_else(|| init::attribute_name(*attribute))
                    .unwrap_or("attribute");
                write!(f, "{message_name}.{name} of {length} bytes is longer than {MAX_ATTRIBUTE} bytes")
            }
            Self::StreamTooLong { length } => {
                write!(f, "the plan of {length} bytes is longer than {} bytes", crate::MAX_STREAM)
            }
        }
    }
}

impl std::error::Error for WriteError {}

/// The bootstrap message, owned. Follows libcontainer's `bootstrapData`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InitBuf {
    /// CLONE_NEW* flags of the namespaces to create.
    pub clone_flags: u32,
    /// `type:path,type:path`, in join order.
    pub ns_paths: Option<CString>,
    /// `container host size` lines.
    pub uid_map: Option<CString>,
    /// `container host size` lines.
    pub gid_map: Option<CString>,
    /// Whether setgroups(2) stays allowed; None: not said.
    pub setgroups: Option<bool>,
    /// Decimal text for /proc/self/oom_score_adj.
    pub oom_score_adj: Option<CString>,
    /// Whether the runtime runs without root's privileges.
    pub rootless_euid: bool,
    /// Path of newuidmap.
    pub uidmap_path: Option<CString>,
    /// Path of newgidmap.
    pub gidmap_path: Option<CString>,
    /// `clock secs nanos` lines.
    pub time_offsets: Option<CString>,
}

impl InitBuf {
    /// The attributes in libcontainer's order.
    fn attributes(&self) -> Vec<(u16, Vec<u8>)> {
        let text =
            |kind, value: &Option<CString>| value.as_ref().map(|v| (kind, v.as_bytes_with_nul().to_vec()));
        // libcontainer writes four bytes for a truth value.
        let boolean = |kind, value: bool| (kind, u32::from(value).to_ne_bytes().to_vec());
        [
            Some((init::CLONE_FLAGS, self.clone_flags.to_ne_bytes().to_vec())),
            text(init::NS_PATHS, &self.ns_paths),
            text(init::UIDMAP_PATH, &self.uidmap_path),
            text(init::UIDMAP, &self.uid_map),
            text(init::GIDMAP, &self.gid_map),
            text(init::GIDMAP_PATH, &self.gidmap_path),
            self.setgroups.map(|v| boolean(init::SETGROUP, v)),
            text(init::OOM_SCORE_ADJ, &self.oom_score_adj),
            Some(boolean(init::ROOTLESS_EUID, self.rootless_euid)),
            text(init::TIME_OFFSETS, &self.time_offsets),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// The whole stream: INIT, VERSION, the steps with their numbers from 1 up, NLMSG_DONE.
pub fn stream<'a>(
    init: &InitBuf,
    steps: impl IntoIterator<Item = &'a StepBuf>,
) -> Result<Vec<u8>, WriteError> {
    // What most plans need, so that it is not moved as it grows.
    let mut out = Vec::with_capacity(8192);
    write_init(init, &mut out)?;
    write_step(&StepBuf::Version { version: crate::VERSION }, 0, &mut out)?;
    for (number, step) in (1u32..).zip(steps) {
        write_step(step, number, &mut out)?;
    }
    message(DONE, 0, 0, &[], &mut out);
    match out.len() {
        length if length > crate::MAX_STREAM => Err(WriteError::StreamTooLong { length }),
        _ => Ok(out),
    }
}

/// Appends INIT, byte for byte as libcontainer writes it.
pub fn write_init(init: &InitBuf, out: &mut Vec<u8>) -> Result<(), WriteError> {
    let payload = attributes(crate::init::INIT, init.attributes())?;
    message(crate::init::INIT, NLM_F_REQUEST, 1, &payload, out);
    Ok(())
}

/// Appends one step's message.
pub fn write_step(step: &StepBuf, number: u32, out: &mut Vec<u8>) -> Result<(), WriteError> {
    let (payload, flags) = match step.payload() {
        Payload::Attributes(list) => (attributes(step.kind(), list)?, 0),
        Payload::Bulk(payload, flags) => (payload, flags),
    };
    message(step.kind(), flags, number, &payload, out);
    Ok(())
}

fn attributes(kind: u16, list: Vec<(u16, Vec<u8>)>) -> Result<Vec<u8>, WriteError> {
    let padded = |(_, payload): &(u16, Vec<u8>)| HEADER_LEN.saturating_add(payload.len());
    let mut out = Vec::with_capacity(list.iter().map(padded).sum());
    for (number, payload) in list {
        if payload.len() > MAX_ATTRIBUTE {
            return Err(WriteError::AttributeTooLong {
                message: kind,
                attribute: number,
                length: payload.len(),
            });
        }
        let attribute = DefaultNla::new(number, payload);
        let start = out.len();
        out.resize(start.saturating_add(attribute.buffer_len()), 0);
        if let Some(place) = out.get_mut(start..) {
            attribute.emit(place);
        }
    }
    Ok(out)
}

fn message(kind: u16, flags: u16, seq: u32, payload: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    let len = HEADER_LEN.saturating_add(payload.len());
    out.resize(start.saturating_add(len.next_multiple_of(4)), 0);
    let Some(place) = out.get_mut(start..) else { return };
    let mut buffer = NetlinkBuffer::new(place);
    // `stream` refuses what exceeds MAX_STREAM, far below u32::MAX.
    buffer.set_length(len as u32);
    buffer.set_message_type(kind);
    buffer.set_flags(flags);
    buffer.set_sequence_number(seq);
    if let Some(place) = buffer.payload_mut().get_mut(..payload.len()) {
        place.copy_from_slice(payload);
    }
}
