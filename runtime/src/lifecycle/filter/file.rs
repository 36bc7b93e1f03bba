//! A compiled filter in a file, and behind it the text of the profile that it was compiled from.

use crate::seccomp::{COMPILER, Filter, MAX_PROGRAM};
use std::fs::File;
use std::io::{self, Read, Write};

/// What the file begins with: [`COMPILER`], then native-endian words of four bytes: flags, listener, length of the program.
const HEADER: usize = COMPILER.len() + 12;

/// Writes a filter and the text of its profile; none for a filter that only this container may use.
pub(super) fn write(file: &mut File, filter: &Filter, profile: &[u8]) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(HEADER + filter.program.len() + profile.len());
    bytes.extend_from_slice(&COMPILER);
    for word in [filter.flags, u32::from(filter.listener), filter.program.len() as u32] {
        bytes.extend_from_slice(&word.to_ne_bytes());
    }
    bytes.extend_from_slice(&filter.program);
    bytes.extend_from_slice(profile);
    file.write_all(&bytes)
}

/// Reads a filter, whatever it was compiled from.
pub(super) fn read(file: &mut File) -> io::Result<Filter> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let contents = Contents::of(&bytes).ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok(contents.filter())
}

/// Reads the filter of a file that has `length` bytes, if this compiler has made it of exactly this profile.
pub(super) fn read_if_of(file: &mut File, length: usize, profile: &[u8]) -> io::Result<Option<Filter>> {
    if length < HEADER + profile.len() || length > HEADER + MAX_PROGRAM + profile.len() {
        return Ok(None);
    }
    let mut bytes = vec![0; length];
    file.read_exact(&mut bytes)?;
    let contents = Contents::of(&bytes);
    let ours = contents.filter(|contents| *contents.compiler == COMPILER && contents.profile == profile);
    Ok(ours.map(|contents| contents.filter()))
}

/// What is in the file.
struct Contents<'a> {
    compiler: &'a [u8; COMPILER.len()],
    flags: u32,
    listener: bool,
    program: &'a [u8],
    profile: &'a [u8],
}

impl<'a> Contents<'a> {
    /// None if the file was cut off.
    fn of(bytes: &'a [u8]) -> Option<Self> {
        let (compiler, rest) = bytes.split_first_chunk()?;
        let (flags, rest) = rest.split_first_chunk()?;
        let (listener, rest) = rest.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let (program, profile) = rest.split_at_checked(u32::from_ne_bytes(*length) as usize)?;
        let [flags, listener] = [flags, listener].map(|word| u32::from_ne_bytes(*word));
        Some(Self { compiler, flags, listener: listener != 0, program, profile })
    }

    fn filter(&self) -> Filter {
        Filter { program: self.program.to_vec(), flags: self.flags, listener: self.listener }
    }
}
