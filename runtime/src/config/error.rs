//! What can be wrong with config.json, and how it is said.

use std::fmt;
use std::path::PathBuf;

use nix::errno::Errno;

use super::path::At;

/// Why a file could not be turned into a configuration.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bundle has no config.json. (runc's sentence.)
    #[error("JSON specification file {0} not found")]
    NotFound(PathBuf),
    /// The file can't be read.
    #[error("{}: {errno:?}: {}", .file.display(), .errno.desc().to_lowercase())]
    Read {
        /// The file.
        file: PathBuf,
        /// What open(2) or read(2) said.
        errno: Errno,
    },
    /// The file is not JSON.
    #[error("{}: line {line} column {column}: {message}", .file.display())]
    Syntax {
        /// The file.
        file: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong there.
        message: String,
    },
    /// A value has the wrong type, is unknown, or is missing.
    #[error("{}: {problem}", .file.display())]
    Value {
        /// The file.
        file: PathBuf,
        /// The value, and what is wrong with it.
        problem: Problem,
    },
}

/// One mistake.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// Where: `linux.namespaces[2].path`. Empty: the document as a whole.
    pub path: String,
    /// What: a lower-case fragment.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.path, self.message)
        }
    }
}

/// All mistakes of one configuration; there is at least one.
#[derive(Clone, Debug, PartialEq)]
pub struct Errors {
    /// The file, as messages name it.
    file: String,
    problems: Vec<Problem>,
}

/// conmon hands on the first 8 KiB of an error.
const SHOWN: usize = 12;

impl Errors {
    /// Every mistake, in the order of the checks.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.file)?;
        for (number, problem) in self.problems.iter().take(SHOWN).enumerate() {
            if number > 0 {
                f.write_str("; ")?;
            }
            problem.fmt(f)?;
        }
        match self.problems.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

impl std::error::Error for Errors {}

/// Gathers the mistakes of one check.
#[derive(Default)]
pub(crate) struct Report {
    problems: Vec<Problem>,
}

impl Report {
    /// Adds a mistake.
    pub(crate) fn add(&mut self, at: &At<'_>, message: impl Into<String>) {
        self.problems.push(Problem { path: at.to_string(), message: message.into() });
    }

    /// What was gathered on `file`.
    pub(crate) fn finish(self, file: &str) -> Result<(), Errors> {
        if self.problems.is_empty() {
            Ok(())
        } else {
            Err(Errors { file: file.into(), problems: self.problems })
        }
    }
}
