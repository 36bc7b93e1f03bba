//! Executes a program one instruction at a time.

use std::collections::HashSet;
use std::ffi::CString;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::ops::Range;
use std::path::Path;

use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, execv, fork};

/// Runs the program and writes the addresses in it that were executed, counted from its beginning. Its children go
/// their way.
pub fn trace(out: &Path, program: &str, args: &[&str]) -> io::Result<()> {
    let path = CString::new(program)?;
    let words: Vec<CString> =
        [program].iter().chain(args).map(|word| CString::new(*word)).collect::<Result<_, _>>()?;
    // SAFETY: this program has one thread, and the child execs at once.
    match unsafe { fork() }? {
        ForkResult::Child => {
            ptrace::traceme()?;
            Err(execv(&path, &words).unwrap_err().into())
        }
        ForkResult::Parent { child } => fs::write(out, follow(child, program)?),
    }
}

fn follow(child: Pid, program: &str) -> io::Result<String> {
    let mut seen = HashSet::new();
    let mut list = String::new();
    // Stopped by the exec.
    let mut status = waitpid(child, None)?;
    let code = mapped(child, program)?;
    loop {
        let signal = match status {
            WaitStatus::Stopped(_, Signal::SIGTRAP) => None,
            WaitStatus::Stopped(_, signal) => Some(signal),
            _ => return Ok(list),
        };
        let address = program_counter(child)?;
        if code.contains(&address) && seen.insert(address) {
            let _ = writeln!(list, "{:x}", address - code.start);
        }
        ptrace::step(child, signal)?;
        status = waitpid(child, None)?;
    }
}

/// Where the program's file is mapped, first byte to last.
fn mapped(pid: Pid, program: &str) -> io::Result<Range<u64>> {
    let file = fs::canonicalize(program)?;
    let maps = fs::read_to_string(format!("/proc/{pid}/maps"))?;
    let ranges = maps.lines().filter(|line| line.ends_with(&*file.to_string_lossy())).filter_map(|line| {
        let (start, rest) = line.split_once('-')?;
        let end = rest.split(' ').next()?;
        Some((u64::from_str_radix(start, 16).ok()?, u64::from_str_radix(end, 16).ok()?))
    });
    ranges
        .reduce(|all, part| (all.0.min(part.0), all.1.max(part.1)))
        .map(|(start, end)| start..end)
        .ok_or_else(|| io::Error::other("the program is not mapped"))
}

#[cfg(target_arch = "x86_64")]
fn program_counter(pid: Pid) -> io::Result<u64> {
    Ok(ptrace::getregs(pid)?.rip)
}

#[cfg(target_arch = "aarch64")]
fn program_counter(pid: Pid) -> io::Result<u64> {
    Ok(ptrace::getregset::<ptrace::regset::NT_PRSTATUS>(pid)?.pc)
}
