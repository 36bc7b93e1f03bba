//! Text on the stack: paths that are put together, numbers in decimal, errno in words.

use crate::sys::{Errno, Result};
use core::ffi::CStr;

/// The longest path that a syscall takes, with its NUL (`PATH_MAX`).
pub const PATH_MAX: usize = 4096;

/// Up to `N` - 1 bytes without NUL.
pub struct Text<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

/// A path.
pub type Path = Text<PATH_MAX>;

/// One component of a path (`NAME_MAX`), or anything else that is short: a path takes a page of the stack.
pub type Name = Text<256>;

impl<const N: usize> Default for Text<N> {
    fn default() -> Self {
        Self { bytes: [0; N], len: 0 }
    }
}

impl<const N: usize> Text<N> {
    /// A text of these bytes; ENAMETOOLONG where they do not fit.
    pub fn of(bytes: &[u8]) -> Result<Self> {
        let mut text = Self::default();
        text.push(bytes)?;
        Ok(text)
    }

    /// Appends bytes; ENAMETOOLONG where they do not fit, EINVAL for a NUL.
    pub fn push(&mut self, bytes: &[u8]) -> Result<()> {
        if bytes.contains(&0) {
            return Err(Errno::INVAL);
        }
        let end = self.len.saturating_add(bytes.len());
        // One byte stays free for the NUL.
        if end >= N {
            return Err(Errno::NAMETOOLONG);
        }
        self.bytes.get_mut(self.len..end).ok_or(Errno::NAMETOOLONG)?.copy_from_slice(bytes);
        self.len = end;
        Ok(())
    }

    /// Appends a number in decimal.
    pub fn push_decimal(&mut self, number: u32) -> Result<()> {
        let mut digits = [0; 10];
        let mut rest = number;
        let mut used = 0usize;
        for digit in digits.iter_mut().rev() {
            *digit = b'0' | (rest % 10) as u8;
            rest /= 10;
            used = used.saturating_add(1);
            if rest == 0 {
                break;
            }
        }
        self.push(digits.get(digits.len().saturating_sub(used)..).unwrap_or(&[]))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }

    /// The text as a syscall takes it.
    pub fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or(c"")
    }
}

/// A number in decimal.
pub fn decimal(number: u32) -> Text<16> {
    let mut text = Text::default();
    // Ten digits always fit.
    let _ = text.push_decimal(number);
    text
}

/// The number of an octal permission mask, as mount options write it.
pub fn octal(mode: u32) -> Text<16> {
    let mut text = Text::default();
    for shift in [9, 6, 3, 0] {
        let digit = b'0' | ((mode >> shift) & 7) as u8;
        // Four digits always fit.
        let _ = text.push(&[digit]);
    }
    text
}

/// strerror(3) in lower case, for what execve(2) returns; None for what it does not.
pub fn errno_words(errno: u32) -> Option<&'static str> {
    Some(match Errno::from_raw_os_error(i32::try_from(errno).ok().filter(|e| (1..4096).contains(e))?) {
        Errno::PERM => "operation not permitted",
        Errno::NOENT => "no such file or directory",
        Errno::IO => "input/output error",
        Errno::TOOBIG => "argument list too long",
        Errno::NOEXEC => "exec format error",
        Errno::AGAIN => "resource temporarily unavailable",
        Errno::NOMEM => "cannot allocate memory",
        Errno::ACCESS => "permission denied",
        Errno::FAULT => "bad address",
        Errno::NOTDIR => "not a directory",
        Errno::ISDIR => "is a directory",
        Errno::INVAL => "invalid argument",
        Errno::NFILE => "too many open files in system",
        Errno::MFILE => "too many open files",
        Errno::TXTBSY => "text file busy",
        Errno::NAMETOOLONG => "file name too long",
        Errno::LOOP => "too many levels of symbolic links",
        Errno::LIBBAD => "accessing a corrupted shared library",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_of_the_smallest_and_the_largest_number() {
        assert_eq!(decimal(0).as_bytes(), b"0");
        assert_eq!(decimal(10).as_bytes(), b"10");
        assert_eq!(decimal(u32::MAX).as_bytes(), b"4294967295");
    }

    #[test]
    fn octal_has_four_digits() {
        assert_eq!(octal(0o1777).as_bytes(), b"1777");
        assert_eq!(octal(0o700).as_bytes(), b"0700");
    }

    #[test]
    fn text_keeps_room_for_its_nul() {
        let mut text = Text::<4>::of(b"abc").unwrap();
        assert_eq!(text.as_c_str(), c"abc");
        assert_eq!(text.push(b"d"), Err(Errno::NAMETOOLONG));
        assert_eq!(text.as_c_str(), c"abc");
    }

    #[test]
    fn text_refuses_a_nul_inside() {
        assert_eq!(Text::<8>::of(b"a\0b").err(), Some(Errno::INVAL));
    }

    #[test]
    fn errno_in_words() {
        assert_eq!(errno_words(2), Some("no such file or directory"));
        assert_eq!(errno_words(0), None);
        assert_eq!(errno_words(u32::MAX), None);
    }
}
