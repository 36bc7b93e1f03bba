//! HOME, from the container's own /etc/passwd.

use super::Container;
use crate::fault::{During, Fault, Result};
use crate::inside::{self, Symlinks};
use crate::sys::file::{self, Open};
use crate::sys::map::{Arena, Pointers};
use crate::sys::{Errno, OwnedFd};
use crate::text::{PATH_MAX, Path, Text};
use core::ffi::CStr;
use skeg_proto::Op;

const NAME: &[u8] = b"HOME=";
/// A home without an entry.
const NONE: &[u8] = b"/";
/// What is read of a file that may be as large as the image likes: tens of thousands of users.
const MOST: u64 = 4 << 20;

/// Sets HOME in the environment: the user's home, or "/" where the image does not say.
pub fn home(container: &mut Container<'_>, uid: u32) -> Result<()> {
    let Some(vars) = container.registers.vars else {
        return Err(Fault::new(Op::Lookup, Errno::INVAL));
    };
    let home = match open_passwd(container)? {
        // Unreadable is as good as absent: it is only a default.
        Some(passwd) => find(&passwd, uid).unwrap_or(None),
        None => None,
    };
    let home = home.as_ref().map_or(NONE, |home| home.as_bytes());
    let variable = variable(&mut container.arena, home).during(Op::Map)?;
    let others = vars.iter().filter(|var| !var.to_bytes().starts_with(NAME));
    let count = vars.count().saturating_add(1);
    container.registers.env = Some(
        Pointers::of(&mut container.arena, others.chain(core::iter::once(variable)), count)
            .during(Op::Map)?,
    );
    Ok(())
}

/// The image may have put anything there: only a regular file is read, and opening it does not wait (a FIFO). None of
/// procfs: they look regular, but end nowhere (/proc/PID/pagemap), or what is read is gone for others (/proc/kmsg).
fn open_passwd(container: &mut Container<'_>) -> Result<Option<OwnedFd>> {
    let flags = Open::RDONLY | Open::NONBLOCK | Open::NOCTTY;
    let passwd = match inside::open(container.root()?, c"etc/passwd", flags, Symlinks::Follow) {
        Ok(passwd) => passwd,
        Err(_) => return Ok(None),
    };
    let stat = file::stat(&passwd).during(Op::Statx)?;
    let is_file =
        file::is_regular(&stat) && file::magic(&passwd).during(Op::Statx)? != file::PROC_SUPER_MAGIC;
    Ok(is_file.then_some(passwd))
}

/// The home of the first line with this user's number.
#[inline(never)] // Its buffers are pages of the stack, which only an image with a passwd has to have.
fn find(passwd: &OwnedFd, uid: u32) -> crate::sys::Result<Option<Path>> {
    let mut lines = Lines::default();
    let mut chunk = [0; PATH_MAX];
    let mut left = MOST;
    while left > 0 {
        let filled = match file::read(passwd, &mut chunk) {
            Ok(filled) => filled,
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(errno),
        };
        left = left.saturating_sub(filled as u64);
        // The last line need not end.
        let bytes = if filled == 0 { b"\n" } else { chunk.get(..filled).unwrap_or(&[]) };
        for byte in bytes {
            if let Some(home) = lines.take(*byte).and_then(|line| home_of(line, uid)) {
                return Path::of(home).map(Some);
            }
            if *byte == b'\n' {
                lines = Lines::default();
            }
        }
        if filled == 0 {
            break;
        }
    }
    Ok(None)
}

/// A line that is put together; one that is too long to be an entry is dropped.
#[derive(Default)]
struct Lines {
    line: Text<PATH_MAX>,
    too_long: bool,
}

impl Lines {
    /// Takes the next byte; the line, where it ends with this one.
    fn take(&mut self, byte: u8) -> Option<&[u8]> {
        if byte == b'\n' {
            return (!self.too_long).then_some(self.line.as_bytes());
        }
        self.too_long |= self.line.push(&[byte]).is_err();
        None
    }
}

/// The home of `name:password:uid:gid:gecos:home:shell`, if it is this user's and is not empty.
fn home_of(line: &[u8], uid: u32) -> Option<&[u8]> {
    let mut fields = line.split(|byte| *byte == b':');
    let number = core::str::from_utf8(fields.nth(2)?).ok()?;
    if number.parse() != Ok(uid) {
        return None;
    }
    fields.nth(2).filter(|home| !home.is_empty())
}

/// `HOME=...`, where it stays until the exec.
fn variable(arena: &mut Arena, home: &[u8]) -> crate::sys::Result<&'static CStr> {
    let len = NAME.len().saturating_add(home.len());
    let place = arena.bytes(len.saturating_add(1))?;
    for (to, from) in place.iter_mut().zip(NAME.iter().chain(home)) {
        *to = *from;
    }
    CStr::from_bytes_with_nul(place).map_err(|_| Errno::INVAL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn home_in(passwd: &[u8], uid: u32) -> Option<Vec<u8>> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(passwd).unwrap();
        std::io::Seek::rewind(&mut file).unwrap();
        find(&OwnedFd::from(file), uid).unwrap().map(|home| home.as_bytes().to_vec())
    }

    #[test]
    fn the_users_own_line_counts() {
        let passwd = b"root:x:0:0:root:/root:/bin/sh\nu:x:1000:1000::/home/u:/bin/sh\n";
        assert_eq!(home_in(passwd, 1000).as_deref(), Some(&b"/home/u"[..]));
    }

    #[test]
    fn the_last_line_need_not_end() {
        assert_eq!(home_in(b"u:x:7:7::/h", 7).as_deref(), Some(&b"/h"[..]));
    }

    #[test]
    fn a_user_whose_name_is_the_number_is_not_meant() {
        assert_eq!(home_in(b"1000:x:0:0::/root:/bin/sh\n", 1000), None);
    }

    #[test]
    fn a_line_that_is_too_long_hides_nothing() {
        let mut passwd = vec![b'a'; 70_000];
        passwd.extend_from_slice(b"\nu:x:7:7::/h:/bin/sh\n");
        assert_eq!(home_in(&passwd, 7).as_deref(), Some(&b"/h"[..]));
    }

    /// Seen failing without the bound: it was read for its user's line.
    #[test]
    fn a_file_without_end_is_not_read_to_its_end() {
        let mut file = tempfile::tempfile().unwrap();
        std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(MOST)).unwrap();
        file.write_all(b"\nu:x:7:7::/h:/bin/sh\n").unwrap();
        std::io::Seek::rewind(&mut file).unwrap();
        assert!(find(&OwnedFd::from(file), 7).unwrap().is_none());
    }

    #[test]
    fn lines_without_a_number_or_a_home_give_none() {
        assert_eq!(home_in(b"a:b\n::::::\nu:x:-7:7::/h:\nu:x:7:7:::\n", 7), None);
    }

    #[test]
    fn the_variable_is_a_string() {
        assert_eq!(variable(&mut Arena::new(&mut []), b"/h").unwrap(), c"HOME=/h");
    }
}
