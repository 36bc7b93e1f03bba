//! Bytes made by hand, independent of the writer under test: an encoder of its own for well-formed and
//! malformed messages.

/// One message with its header; padded to four bytes.
pub fn message(kind: u16, flags: u16, seq: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len() + 16).unwrap();
    let mut out = length.to_ne_bytes().to_vec();
    out.extend(kind.to_ne_bytes());
    out.extend(flags.to_ne_bytes());
    out.extend(seq.to_ne_bytes());
    out.extend([0; 4]);
    out.extend(payload);
    out.resize(out.len().next_multiple_of(4), 0);
    out
}

/// One attribute with its header; padded to four bytes.
pub fn attribute(number: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len() + 4).unwrap();
    let mut out = length.to_ne_bytes().to_vec();
    out.extend(number.to_ne_bytes());
    out.extend(payload);
    out.resize(out.len().next_multiple_of(4), 0);
    out
}

/// The smallest INIT.
pub fn init() -> Vec<u8> {
    message(62000, 1, 1, &attribute(27281, &0u32.to_ne_bytes()))
}

/// VERSION of this protocol.
pub fn version() -> Vec<u8> {
    message(62001, 0, 0, &attribute(1, &1u32.to_ne_bytes()))
}

/// Clone, without attributes.
pub fn clone() -> Vec<u8> {
    message(62005, 0, 1, &[])
}

/// Ready, without a FIFO.
pub fn ready() -> Vec<u8> {
    message(62034, 0, 2, &attribute(1, &u32::MAX.to_ne_bytes()))
}

/// Exec.
pub fn exec() -> Vec<u8> {
    message(62046, 0, 3, &attribute(1, &3u32.to_ne_bytes()))
}

/// A step that may stand in set-up and in start: Umask.
pub fn umask() -> Vec<u8> {
    message(62031, 0, 4, &attribute(1, &0o22u32.to_ne_bytes()))
}

/// NLMSG_DONE.
pub fn done() -> Vec<u8> {
    message(3, 0, 0, &[])
}

/// The shortest stream there is, with `middle` between Clone and Ready.
pub fn stream_with(middle: &[u8]) -> Vec<u8> {
    [init(), version(), clone(), middle.to_vec(), ready(), exec(), done()].concat()
}
