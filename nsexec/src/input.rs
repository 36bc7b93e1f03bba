//! Reads the whole stream before anything else is done, and checks all of it.

use crate::fault::{During, Fault, Result};
use crate::sys::{self, Errno};
use skeg_proto::{DecodeError, MAX_STREAM, Op, Stream};

/// Reads the plan from the pipe with this number, closes the pipe and validates every byte of the plan. Whatever
/// comes, nothing of this process has changed but its memory.
pub fn read(pipe: u32) -> Result<Stream<'static>> {
    let pipe = sys::file::take(pipe).during(Op::Read)?;
    // One byte more than is allowed shows a stream that is too long.
    let bytes = sys::map::bytes(MAX_STREAM + 1).during(Op::Map)?;
    let mut filled = 0usize;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match sys::file::read(&pipe, rest) {
            Ok(0) => break,
            Ok(count) => filled = filled.saturating_add(count),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(Fault::new(Op::Read, errno)),
        }
    }
    drop(pipe);
    Stream::read(bytes.get(..filled).unwrap_or(&[])).map_err(decode)
}

fn decode(error: DecodeError) -> Fault {
    Fault { op: Op::Decode, errno: 0, detail: error as u32 }
}
