//! The name of a container, which is also the name of its state directory and of its cgroup.

use std::fmt;
use std::str::FromStr;

/// A name that is safe as a file name: `[A-Za-z0-9_+.-]+`, but neither `.` nor `..`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id(String);

/// The longest name: NAME_MAX of Linux.
const MAX: usize = 255;

/// Text that can't be a container's name.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum IdError {
    /// Nothing.
    #[error("container id cannot be empty")]
    Empty,
    /// A character that isn't allowed, or `.` or `..`.
    #[error("invalid container ID format: {0:?}")]
    Format(String),
    /// More than 255 bytes.
    #[error("invalid container ID format: longer than {MAX} bytes: {0:?}...")]
    Long(String),
}

impl Id {
    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Id {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'+' | b'-' | b'.');
        if text.is_empty() {
            return Err(IdError::Empty);
        }
        if text.len() > MAX {
            return Err(IdError::Long(text.chars().take(64).collect()));
        }
        if matches!(text, "." | "..") || !text.bytes().all(is_allowed) {
            return Err(IdError::Format(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_callers_use_are_ids() {
        for name in
            ["a", "buildah-buildah123", "k8s.io_x+y", "-x", ".x", "...", &"f".repeat(64), &"x".repeat(255)]
        {
            assert_eq!(name.parse::<Id>().map(|id| id.to_string()), Ok(name.to_owned()));
        }
    }

    #[test]
    fn what_is_no_plain_file_name_is_no_id() {
        for name in [".", "..", "a/b", "../a", "a b", "a\n", "\u{e4}", "a\0"] {
            assert_eq!(name.parse::<Id>(), Err(IdError::Format(name.to_owned())));
        }
        assert_eq!("".parse::<Id>(), Err(IdError::Empty));
        assert!(matches!("x".repeat(256).parse::<Id>(), Err(IdError::Long(start)) if start.len() == 64));
    }

    #[test]
    fn error_text_is_what_callers_match() {
        let error = "a\nb".parse::<Id>().unwrap_err();
        assert_eq!(error.to_string(), r#"invalid container ID format: "a\nb""#);
    }
}
