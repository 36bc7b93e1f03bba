//! Reads the whole stream before anything else is done, and checks all of it.

use crate::fault::{During, Fault, Result};
use crate::namespaces;
use crate::sys::map::Arena;
use crate::sys::process::{NEWTIME, NEWUSER};
use crate::sys::{self, Errno};
use skeg_proto::{DecodeError, Init, MAX_STREAM, Op, Step, Stream};

/// Reads the plan from the pipe with this number, closes the pipe and validates every byte of the plan. Whatever
/// comes, nothing of this process has changed but its memory. Returns what is left of that memory as well.
pub(crate) fn read(pipe: u32) -> Result<(Stream<'static>, Arena)> {
    let pipe = sys::file::take(pipe).during(Op::Read)?;
    // One byte more than is allowed shows a stream that is too long.
    let bytes = sys::map::sparse_bytes(MAX_STREAM + 1).during(Op::Map)?;
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
    let (plan, rest) = bytes.split_at_mut_checked(filled).unwrap_or_default();
    Ok((parse(plan).map_err(decode)?, Arena::new(rest)))
}

/// Validates the bytes of a plan: what comes out can be executed to its end, as far as that is up to the plan.
pub fn parse(bytes: &[u8]) -> core::result::Result<Stream<'_>, DecodeError> {
    let stream = Stream::read(bytes)?;
    check(&stream)?;
    Ok(stream)
}

/// Checks what a well-formed stream may still lack to be executed to its end: a step that uses a register before it is
/// filled, namespaces that do not exist, a filter that is none.
fn check(stream: &Stream<'_>) -> core::result::Result<(), DecodeError> {
    if stream.init.clone_flags & !namespaces::ALL != 0 {
        return Err(DecodeError::BadValue);
    }
    let mut seen = Seen { born_elsewhere: needs_two(&stream.init), ..Seen::default() };
    for (_, step) in stream.steps() {
        seen.check(&step)?;
    }
    Ok(())
}

/// Whether the container's process has to be cloned by another one of nsexec's, which joins, maps or unshares first.
fn needs_two(init: &Init<'_>) -> bool {
    init.clone_flags & (NEWUSER | NEWTIME) != 0 || init.ns_paths.is_some_and(|paths| !paths.is_empty())
}

/// The registers that are filled.
#[derive(Default)]
struct Seen {
    /// The process that reads the plan can't be the container's.
    born_elsewhere: bool,
    argv: bool,
    env: bool,
    candidates: bool,
    program: bool,
    hook_args: bool,
    hook_env: bool,
    hook_stdin: usize,
}

impl Seen {
    fn check(&mut self, step: &Step<'_>) -> core::result::Result<(), DecodeError> {
        match step {
            Step::Argv { .. } => self.argv = true,
            Step::Env { .. } => self.env = true,
            Step::Candidates { .. } => self.candidates = true,
            Step::HookArgs { .. } => self.hook_args = true,
            Step::HookEnv { .. } => self.hook_env = true,
            Step::HookStdin { text, .. } => self.hook_stdin = text.len(),
            Step::Home { .. } => return ordered(self.env),
            Step::Program { .. } => {
                self.program = true;
                return ordered(self.candidates);
            }
            Step::Hook { pid_at, .. } => {
                ordered(self.hook_args && self.hook_env)?;
                let inside = usize::try_from(*pid_at).is_ok_and(|at| at <= self.hook_stdin);
                return if inside { Ok(()) } else { Err(DecodeError::BadValue) };
            }
            Step::Exec { .. } => return ordered(self.argv && self.env && self.program),
            Step::Join { namespaces, .. } if *namespaces & !namespaces::ALL != 0 => {
                return Err(DecodeError::BadValue);
            }
            Step::Join { .. } | Step::Cgroup { .. } => self.born_elsewhere = true,
            Step::Born {} => return ordered(!self.born_elsewhere),
            Step::Seccomp { filter, .. } if !is_filter(filter) => return Err(DecodeError::BadValue),
            // The kernel reads whole words, and would read what follows the mask.
            Step::MemoryPolicy { nodes, .. } if !nodes.len().is_multiple_of(8) => {
                return Err(DecodeError::BadValue);
            }
            _ => {}
        }
        Ok(())
    }
}

fn ordered(is: bool) -> core::result::Result<(), DecodeError> {
    if is { Ok(()) } else { Err(DecodeError::Order) }
}

/// Whether bytes are whole instructions, and no more than the kernel takes (BPF_MAXINSNS).
fn is_filter(filter: &[u8]) -> bool {
    const INSTRUCTION_LEN: usize = 8;
    let instructions = filter.chunks_exact(INSTRUCTION_LEN);
    instructions.remainder().is_empty() && (1..=4096).contains(&instructions.len())
}

fn decode(error: DecodeError) -> Fault {
    Fault { op: Op::Decode, errno: 0, detail: error as u32 }
}
