//! Netlink framing: one message header, one attribute header, and their bounds. Follows netlink(7).

use byteorder::{ByteOrder, NativeEndian};

/// Length of `struct nlmsghdr`.
pub const HEADER_LEN: usize = 16;
/// Length of `struct nlattr`.
pub const ATTRIBUTE_HEADER_LEN: usize = 4;
/// `NLMSG_DONE`: the end of the stream.
pub const DONE: u16 = 3;

/// Why bytes are not a stream that we accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum DecodeError {
    /// The bytes end inside a header or a payload.
    Truncated = 1,
    /// A length field is smaller than its own header.
    BadLength = 2,
    /// A message type that this version does not know, or that may not stand here.
    UnknownMessage = 3,
    /// An attribute that this message does not have.
    UnknownAttribute = 4,
    /// An attribute that stands twice.
    DuplicateAttribute = 5,
    /// An attribute that this message must have is not there.
    MissingAttribute = 6,
    /// An attribute's payload is not of its type (a number's width, a string's final NUL, a NUL inside).
    BadValue = 7,
    /// The protocol's number differs.
    Version = 8,
    /// The stream is longer than `MAX_STREAM`.
    TooLong = 9,
    /// Messages in an order that can't be executed.
    Order = 10,
    /// Bytes after the end of the stream.
    Trailing = 11,
}

impl DecodeError {
    /// The sentence for a person.
    pub fn text(self) -> &'static str {
        match self {
            Self::Truncated => "the message stream ends too early",
            Self::BadLength => "a length in the message stream is impossible",
            Self::UnknownMessage => "unknown message in the stream",
            Self::UnknownAttribute => "unknown attribute in a message",
            Self::DuplicateAttribute => "an attribute stands twice in a message",
            Self::MissingAttribute => "an attribute is missing in a message",
            Self::BadValue => "an attribute's value is malformed",
            Self::Version => "skeg and nsexec are of different versions",
            Self::TooLong => "the message stream is too long",
            Self::Order => "messages stand in an impossible order",
            Self::Trailing => "bytes follow the end of the stream",
        }
    }

    /// The error of a number that crossed the wire.
    pub fn from_code(code: u32) -> Option<Self> {
        [
            Self::Truncated,
            Self::BadLength,
            Self::UnknownMessage,
            Self::UnknownAttribute,
            Self::DuplicateAttribute,
            Self::MissingAttribute,
            Self::BadValue,
            Self::Version,
            Self::TooLong,
            Self::Order,
            Self::Trailing,
        ]
        .into_iter()
        .find(|e| *e as u32 == code)
    }
}

/// One netlink message, borrowed from the bytes it was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// `nlmsg_type`.
    pub kind: u16,
    /// `nlmsg_flags`.
    pub flags: u16,
    /// `nlmsg_seq`: the step's number.
    pub seq: u32,
    /// What follows the header, without padding.
    pub payload: &'a [u8],
}

impl<'a> Message<'a> {
    /// Splits the first message off `bytes` and returns it with what follows its padding.
    pub fn split(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), DecodeError> {
        let header = bytes.get(..HEADER_LEN).ok_or(DecodeError::Truncated)?;
        let len = usize::try_from(u32_at(header, 0)).map_err(|_| DecodeError::BadLength)?;
        let (payload, rest) = split_padded(bytes, HEADER_LEN, len)?;
        let message =
            Self { kind: u16_at(header, 4), flags: u16_at(header, 6), seq: u32_at(header, 8), payload };
        Ok((message, rest))
    }

    /// The attributes of the payload.
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes { rest: self.payload }
    }
}

/// One attribute: its number and its payload without padding.
pub type Attribute<'a> = (u16, &'a [u8]);

/// The attributes of one message, in order. Ends after the first error.
#[derive(Clone, Copy, Debug)]
pub struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let split = split_attribute(self.rest);
        self.rest = match split {
            Ok((_, rest)) => rest,
            Err(_) => &[],
        };
        Some(split.map(|(attribute, _)| attribute))
    }
}

fn split_attribute(bytes: &[u8]) -> Result<(Attribute<'_>, &[u8]), DecodeError> {
    let header = bytes.get(..ATTRIBUTE_HEADER_LEN).ok_or(DecodeError::Truncated)?;
    let len = usize::from(u16_at(header, 0));
    let (payload, rest) = split_padded(bytes, ATTRIBUTE_HEADER_LEN, len)?;
    Ok(((u16_at(header, 2), payload), rest))
}

/// Splits `len` bytes (header included) and the padding to four bytes off `bytes`. The padding of the very last
/// element may be absent, as in the kernel's own reader.
fn split_padded(bytes: &[u8], header: usize, len: usize) -> Result<(&[u8], &[u8]), DecodeError> {
    if len < header {
        return Err(DecodeError::BadLength);
    }
    let payload = bytes.get(header..len).ok_or(DecodeError::Truncated)?;
    let padded = len.checked_next_multiple_of(4).ok_or(DecodeError::BadLength)?;
    Ok((payload, bytes.get(padded..).unwrap_or(&[])))
}

// The callers pass a header whose length they have checked.
fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..).and_then(|b| b.first_chunk::<2>()).map_or(0, |b| NativeEndian::read_u16(b))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|b| b.first_chunk::<4>()).map_or(0, |b| NativeEndian::read_u32(b))
}
