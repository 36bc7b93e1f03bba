//! How nsexec ends when something failed: it reports and leaves. The runtime cleans up.

use crate::sync::Sync;
use crate::sys::{self, Errno};
use crate::text::{Text, decimal, errno_words};
use core::ffi::CStr;
use skeg_proto::{Failure, Op};

/// Reports the failure to the runtime. Where it has been told that all is well, or the container's filter lets nothing
/// through to it, to `start`, which may listen, and in one line on stderr: 127 then means that the program was not there,
/// 126 that it could not be started.
pub fn fail(sync: &Sync, failure: &Failure) -> ! {
    if sync.report(failure).is_ok() {
        sys::process::exit(1)
    }
    sync.tell_starter(failure);
    say(c"", failure);
    sys::process::exit(status(failure))
}

/// As `fail`, for the program that could not be executed: nobody but stderr is left to be told.
pub fn fail_exec(path: &CStr, errno: Errno) -> ! {
    let errno = errno.raw_os_error().unsigned_abs();
    let failure = Failure { stage: skeg_proto::Stage::Start, step: 0, op: Op::Exec, errno, detail: 0 };
    say(path, &failure);
    sys::process::exit(status(&failure))
}

fn status(failure: &Failure) -> u32 {
    let missing = matches!(failure.op, Op::Exec | Op::Lookup) && failure.errno == 2;
    if missing { 127 } else { 126 }
}

fn say(operand: &CStr, failure: &Failure) {
    let line = line(operand.to_bytes(), failure);
    if let Ok(stderr) = sys::file::named(2) {
        // stderr may be closed or full; the exit status says it as well.
        let _ = sys::file::write(stderr, line.as_bytes());
    }
}

/// `exec /bin/sh: no such file or directory`, or `skeg: load seccomp filter: errno 95`. A path that is too long for the line is cut.
fn line(operand: &[u8], failure: &Failure) -> Text<512> {
    const ROOM: usize = 384;
    let number = decimal(failure.errno);
    let mut line = Text::default();
    let parts: [&[u8]; 8] = [
        if operand.is_empty() { b"skeg: " } else { b"" },
        failure.op.text().as_bytes(),
        if operand.is_empty() { b"" } else { b" " },
        operand.get(..operand.len().min(ROOM)).unwrap_or(operand),
        if failure.errno == 0 { b"" } else { b": " },
        match errno_words(failure.errno) {
            Some(words) => words.as_bytes(),
            None if failure.errno == 0 => b"",
            None => b"errno ",
        },
        match errno_words(failure.errno) {
            None if failure.errno != 0 => number.as_bytes(),
            _ => b"",
        },
        b"\n",
    ];
    for part in parts {
        // All of them fit: an operation's text is shorter than 50 bytes.
        let _ = line.push(part);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use skeg_proto::Stage;

    fn failure(op: Op, errno: u32) -> Failure {
        Failure { stage: Stage::Start, step: 7, op, errno, detail: 0 }
    }

    #[test]
    fn a_missing_program_is_named() {
        let line = line(b"/bin/sh", &failure(Op::Exec, 2));
        assert_eq!(line.as_bytes(), b"exec /bin/sh: no such file or directory\n");
        assert_eq!(status(&failure(Op::Exec, 2)), 127);
    }

    #[test]
    fn an_errno_without_words_is_a_number() {
        assert_eq!(line(b"", &failure(Op::Seccomp, 95)).as_bytes(), b"skeg: load seccomp filter: errno 95\n");
        assert_eq!(status(&failure(Op::Seccomp, 95)), 126);
    }

    #[test]
    fn a_failure_without_errno_is_the_operation_alone() {
        let line = line(b"", &failure(Op::Outside, 0));
        assert_eq!(line.as_bytes(), b"skeg: working directory is outside the root\n");
    }

    #[test]
    fn a_long_path_is_cut() {
        let line = line(&[b'a'; 5000], &failure(Op::Exec, 2));
        assert!(line.as_bytes().ends_with(b"aaa: no such file or directory\n"));
    }
}
