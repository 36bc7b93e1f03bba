//! The conversation beside the stream: small fixed-size frames, each way its own type.
//!
//! ```text
//!   nsexec (first process)      skeg                       nsexec (new process)
//!     |<---------------------- Fd, once for each fd of the step Fds
//!     MapWanted ---------------->|                           only where a time namespace with offsets is made in a
//!     <--------------------------| MapWritten                new user namespace: both are there before the clone
//!     (clones, exits)            |<------------- Created{pid}
//!                                |<------------- MapWanted   only with a new user namespace, otherwise
//!                                |-------------> MapWritten
//!                                |<------------- HookPoint   only with such a step
//!                                |-------------> HooksDone
//!                                |<------------- Console     with the pty's master, SCM_RIGHTS
//!                                |<------------- Ready
//!                                |-------------> Start       the state is on disk
//!                                |<------------- (end of file: waits on the FIFO, or execs)
//!   Failed, from either process, ends it.
//! ```

use crate::failure::{Failure, Op, Stage};
use crate::frame::{DecodeError, HEADER_LEN, Message};
use byteorder::{ByteOrder, NativeEndian};

/// Bytes of every frame, in both directions.
pub const FRAME_LEN: usize = 36;

const WORDS: usize = 5;

/// A frame on its way.
pub type Frame = [u8; FRAME_LEN];

const CREATED: u16 = 62100;
const MAP_WANTED: u16 = 62101;
const HOOK_POINT: u16 = 62102;
const CONSOLE: u16 = 62103;
const READY: u16 = 62104;
const SECCOMP_FD: u16 = 62105;
const FAILED: u16 = 62110;
const MAP_WRITTEN: u16 = 62120;
const HOOKS_DONE: u16 = 62121;
const START: u16 = 62122;
const FD: u16 = 62123;

/// What nsexec says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToRuntime {
    /// The container's process exists.
    Created {
        /// Its pid, as the runtime sees it.
        pid: u32,
    },
    /// The new user namespace waits for its mappings.
    MapWanted,
    /// The runtime's hooks are due.
    HookPoint,
    /// The master of the console's pty is attached to this frame.
    Console,
    /// The container is built.
    Ready,
    /// The seccomp listener is attached to this frame.
    SeccompFd,
    /// It failed, and the process ends.
    Failed(Failure),
}

/// What the runtime answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToNsexec {
    /// The mappings are written.
    MapWritten,
    /// The hooks have run.
    HooksDone,
    /// Go on: the state is written.
    Start,
    /// A file descriptor that the plan names is attached to this frame.
    Fd,
}

impl ToRuntime {
    /// The frame of this message.
    pub fn frame(&self) -> Frame {
        match *self {
            Self::Created { pid } => frame(CREATED, [pid, 0, 0, 0, 0]),
            Self::MapWanted => frame(MAP_WANTED, [0; WORDS]),
            Self::HookPoint => frame(HOOK_POINT, [0; WORDS]),
            Self::Console => frame(CONSOLE, [0; WORDS]),
            Self::Ready => frame(READY, [0; WORDS]),
            Self::SeccompFd => frame(SECCOMP_FD, [0; WORDS]),
            Self::Failed(f) => frame(FAILED, [f.stage as u32, f.step, f.op as u32, f.errno, f.detail]),
        }
    }

    /// Reads a frame.
    pub fn read(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (kind, words) = words(bytes)?;
        match kind {
            CREATED => {
                let [pid, ..] = words;
                Ok(Self::Created { pid })
            }
            MAP_WANTED => Ok(Self::MapWanted),
            HOOK_POINT => Ok(Self::HookPoint),
            CONSOLE => Ok(Self::Console),
            READY => Ok(Self::Ready),
            SECCOMP_FD => Ok(Self::SeccompFd),
            FAILED => {
                let [stage, step, op, errno, detail] = words;
                Ok(Self::Failed(Failure {
                    stage: Stage::from_code(stage).ok_or(DecodeError::BadValue)?,
                    step,
                    op: Op::from_code(op).ok_or(DecodeError::BadValue)?,
                    errno,
                    detail,
                }))
            }
            _ => Err(DecodeError::UnknownMessage),
        }
    }
}

impl ToNsexec {
    /// The frame of this message.
    pub fn frame(&self) -> Frame {
        let kind = match self {
            Self::MapWritten => MAP_WRITTEN,
            Self::HooksDone => HOOKS_DONE,
            Self::Start => START,
            Self::Fd => FD,
        };
        frame(kind, [0; WORDS])
    }

    /// Reads a frame.
    pub fn read(bytes: &[u8]) -> Result<Self, DecodeError> {
        match words(bytes)?.0 {
            MAP_WRITTEN => Ok(Self::MapWritten),
            HOOKS_DONE => Ok(Self::HooksDone),
            START => Ok(Self::Start),
            FD => Ok(Self::Fd),
            _ => Err(DecodeError::UnknownMessage),
        }
    }
}

fn frame(kind: u16, words: [u32; WORDS]) -> Frame {
    let mut out = [0; FRAME_LEN];
    let header = [FRAME_LEN as u32, u32::from_ne_bytes(kind_and_no_flags(kind)), 0, 0];
    let all = header.into_iter().chain(words);
    for (place, word) in out.chunks_exact_mut(4).zip(all) {
        NativeEndian::write_u32(place, word);
    }
    out
}

/// `nlmsg_type` and `nlmsg_flags`, as they lie in memory.
fn kind_and_no_flags(kind: u16) -> [u8; 4] {
    let [a, b] = kind.to_ne_bytes();
    [a, b, 0, 0]
}

fn words(bytes: &[u8]) -> Result<(u16, [u32; WORDS]), DecodeError> {
    let (message, rest) = Message::split(bytes)?;
    if !rest.is_empty() || message.payload.len().saturating_add(HEADER_LEN) != FRAME_LEN {
        return Err(DecodeError::BadLength);
    }
    let mut words = [0; WORDS];
    for (word, bytes) in words.iter_mut().zip(message.payload.chunks_exact(4)) {
        *word = NativeEndian::read_u32(bytes);
    }
    Ok((message.kind, words))
}
