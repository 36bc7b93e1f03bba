//! The compiled seccomp filter beside state.json: `exec` loads it again, and no other command has to read it.

use super::Error;
use crate::container::Directory;
use crate::container::store::FILTER;
use crate::seccomp::Filter;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;

/// Four bytes of flags, one of `listener`, then the program.
const HEADER: usize = 5;

/// Writes the filter of a container that is being made.
pub(super) fn save(directory: &Directory, filter: &Filter) -> Result<(), Error> {
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mut bytes = filter.flags.to_ne_bytes().to_vec();
    bytes.push(u8::from(filter.listener));
    bytes.extend_from_slice(&filter.program);
    open(directory, flags).and_then(|mut file| file.write_all(&bytes)).map_err(failed("write", directory))
}

/// Reads it again; None where the container has none.
pub(super) fn load(directory: &Directory) -> Result<Option<Filter>, Error> {
    let mut bytes = Vec::new();
    match open(directory, OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("open", directory)(error)),
        Ok(mut file) => file.read_to_end(&mut bytes).map_err(failed("read", directory))?,
    };
    let truncated = || failed("read", directory)(io::ErrorKind::UnexpectedEof.into());
    let (header, program) = bytes.split_at_checked(HEADER).ok_or_else(truncated)?;
    let (flags, listener) = header.split_first_chunk::<4>().ok_or_else(truncated)?;
    Ok(Some(Filter {
        program: program.to_vec(),
        flags: u32::from_ne_bytes(*flags),
        listener: listener.first() == Some(&1),
    }))
}

fn open(directory: &Directory, flags: OFlag) -> io::Result<File> {
    let mode = Mode::S_IRUSR | Mode::S_IWUSR;
    Ok(File::from(openat(directory.as_fd(), FILTER, flags, mode)?))
}

fn failed(what: &'static str, directory: &Directory) -> impl Fn(io::Error) -> Error {
    let path: PathBuf = directory.path().join(FILTER);
    move |reason| Error::File { what, path: path.clone(), reason }
}
