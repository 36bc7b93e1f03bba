//! Hooks that run in the container's namespaces (createContainer, startContainer).

use super::Container;
use crate::fault::{During, Fault, Result};
use crate::sys::map::Pointers;
use crate::sys::process::{self, Action, Child};
use crate::sys::{self, AsFd, BorrowedFd, Errno, OwnedFd, file};
use crate::text::decimal;
use core::ffi::CStr;
use core::sync::atomic::{AtomicU32, Ordering};
use skeg_proto::{NO_FD, Op};

/// What is written to the hook's standard input: the state, with this process's pid put in at its place.
struct Input<'a> {
    parts: [&'a [u8]; 3],
    part: usize,
    written: usize,
}

/// How a hook is run.
pub struct Terms {
    /// Milliseconds; 0: no limit.
    pub timeout: u32,
    /// Where in its input this process's pid belongs.
    pub pid_at: u32,
    /// The file for its output; NO_FD: none.
    pub output: u32,
    /// As the program would be: after the pivot.
    pub inside: bool,
}

/// Runs a hook and waits for it.
pub fn hook(container: &mut Container<'_>, path: &CStr, terms: &Terms) -> Result<()> {
    let &Terms { timeout, pid_at, output, inside } = terms;
    let registers = &container.registers;
    let (Some(argv), Some(env)) = (registers.hook_args, registers.hook_env) else {
        return Err(Fault::new(Op::HookExec, Errno::INVAL));
    };
    let at = usize::try_from(pid_at).unwrap_or(usize::MAX);
    let (before, after) = registers.hook_stdin.split_at_checked(at).unwrap_or((registers.hook_stdin, &[]));
    let pid = decimal(process::getpid());
    let input = Input { parts: [before, pid.as_bytes(), after], part: 0, written: 0 };

    let root = container.root.as_ref().filter(|_| !inside).map(AsFd::as_fd);
    let output = empty(output).during(Op::Open)?;
    let (reader, writer) = file::pipe().during(Op::Fork)?;
    let errno = sys::map::shared_number().during(Op::Fork)?;
    let Some(child) = process::fork().during(Op::Fork)? else {
        errno.store(exec(root, inside, (&reader, output), path, argv, env), Ordering::Relaxed);
        process::exit(127)
    };
    drop(reader);
    let deadline = match timeout {
        0 => None,
        _ => Some(process::monotonic_milliseconds().during(Op::Fork)?.saturating_add(u64::from(timeout))),
    };
    let status = attend(child, writer, input, deadline)?;
    judge(status, errno)
}

/// The file for the hook's output, without what the hook before has left in it.
fn empty(output: u32) -> sys::Result<Option<BorrowedFd<'static>>> {
    if output == NO_FD {
        return Ok(None);
    }
    let file = file::named(output)?;
    file::ftruncate(file, 0)?;
    file::seek(file, 0)?;
    Ok(Some(file))
}

fn judge(status: u32, errno: &AtomicU32) -> Result<()> {
    match (errno.load(Ordering::Relaxed), status) {
        (0, 0) => Ok(()),
        (0, status) => Err(Fault { op: Op::HookStatus, errno: 0, detail: status }),
        (errno, _) => Err(Fault { op: Op::HookExec, errno, detail: 0 }),
    }
}

/// In the child: only the standard streams are left to the hook. One that runs before the pivot starts in the
/// container's root, as with runc. Returns the errno.
fn exec(
    root: Option<BorrowedFd<'_>>,
    inside: bool,
    (stdin, output): (&OwnedFd, Option<BorrowedFd<'_>>),
    path: &CStr,
    argv: Pointers<'_>,
    env: Pointers<'_>,
) -> u32 {
    let ready = root
        .map_or(Ok(()), file::fchdir)
        .and_then(|()| file::dup_onto(stdin, 0))
        .and_then(|()| output.map_or(Ok(()), |file| file::dup_onto(file, 1)))
        .and_then(|()| output.map_or(Ok(()), |file| file::dup_onto(file, 2)))
        .and_then(|()| file::close_from(3));
    let errno = match ready {
        Ok(()) => {
            if !inside {
                // Not the 0 under which the container is built.
                process::umask(0o022);
            }
            process::execve(path, argv, env)
        }
        Err(errno) => errno,
    };
    errno.raw_os_error().unsigned_abs()
}

/// Feeds the child and waits for its end: its wait status. After the deadline (CLOCK_MONOTONIC) it is killed.
fn attend(child: Child, writer: OwnedFd, mut input: Input<'_>, deadline: Option<u64>) -> Result<u32> {
    // A hook that does not read its input must not end this process. The child has been forked: it has what was.
    let sigpipe = process::set_sigpipe(&Action::IGNORE).during(Op::Fork)?;
    let mut writer = Some(writer);
    let timed_out = loop {
        let left = match deadline {
            None => None,
            Some(deadline) => {
                match deadline.saturating_sub(process::monotonic_milliseconds().during(Op::Receive)?) {
                    0 => break true,
                    left => Some(left),
                }
            }
        };
        let polled = match process::poll(child.pidfd(), writer.as_ref().map(AsFd::as_fd), left) {
            Err(Errno::INTR) => continue,
            done => done.during(Op::Receive)?,
        };
        if polled.readable {
            break false;
        }
        if polled.writable && writer.as_ref().is_some_and(|writer| input.write(writer)) {
            // All of it is written, or the hook does not want it: the end of file tells it that there is no more.
            writer = None;
        }
    };
    process::set_sigpipe(&sigpipe).during(Op::Fork)?;
    if timed_out {
        child.kill().during(Op::HookTimeout)?;
        child.wait().during(Op::Receive)?;
        return Err(Fault::new(Op::HookTimeout, Errno::TIMEDOUT));
    }
    child.wait().during(Op::Receive)
}

impl Input<'_> {
    /// Writes as much as the pipe takes. Whether there is nothing more to do.
    fn write(&mut self, writer: &OwnedFd) -> bool {
        while let Some(part) = self.parts.get(self.part) {
            let rest = part.get(self.written..).unwrap_or(&[]);
            if rest.is_empty() {
                (self.part, self.written) = (self.part.saturating_add(1), 0);
                continue;
            }
            match file::write(writer, rest) {
                Ok(count) => self.written = self.written.saturating_add(count),
                Err(Errno::AGAIN | Errno::INTR) => return false,
                // EPIPE: a hook need not read the state.
                Err(_) => return true,
            }
        }
        true
    }
}
