//! What can be wrong with config.json, and how it is said.

use std::fmt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::path::At;

/// Why a file could not be turned into a configuration.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bundle has no config.json. (runc's sentence.)
    #[error("JSON specification file {0} not found")]
    NotFound(PathBuf),
    /// The file can't be read.
    #[error("{}: {}", .file.display(), crate::errno::words(*errno))]
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
    /// Values have the wrong type, are unknown, or are missing; and whatever else is wrong then.
    #[error(transparent)]
    Values(Errors),
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
    file: Option<String>,
    problems: Vec<Problem>,
}

/// What was read, as messages name it.
#[derive(Clone, Debug)]
pub enum Source {
    /// A file, and the places in it.
    File(PathBuf),
    /// Flags of the command line, each with the place of the property that it sets.
    Flags(&'static [(&'static str, &'static str)]),
}

impl Source {
    fn errors(&self, mut problems: Vec<Problem>) -> Errors {
        match self {
            Self::File(file) => Errors::new(file, problems),
            Self::Flags(flags) => {
                for problem in &mut problems {
                    let set = flags.iter().find(|(place, _)| problem.path.starts_with(place));
                    if let Some((_, flag)) = set {
                        (*flag).clone_into(&mut problem.path);
                    }
                }
                Errors { file: None, problems }
            }
        }
    }
}

/// conmon hands on the first 8 KiB of an error.
const SHOWN: usize = 12;
const SHOWN_BYTES: usize = 6000;

impl Errors {
    /// The mistakes in `file`; there must be one.
    pub(super) fn new(file: &Path, problems: Vec<Problem>) -> Self {
        Self { file: Some(file.display().to_string()), problems }
    }

    /// Every mistake, in the order of the checks.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.file.as_ref().map(|file| format!("{file}: ")).unwrap_or_default();
        let mut shown = 0;
        for problem in self.problems.iter().take(SHOWN) {
            let problem = problem.to_string();
            if shown > 0 && text.len() + problem.len() > SHOWN_BYTES {
                break;
            }
            text.extend([if shown > 0 { "; " } else { "" }, &problem]);
            shown += 1;
        }
        f.write_str(&text)?;
        match self.problems.len() - shown {
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

    /// What was gathered on `source`.
    pub(crate) fn finish(self, source: &Source) -> Result<(), Errors> {
        if self.problems.is_empty() { Ok(()) } else { Err(source.errors(self.problems)) }
    }

    /// What was gathered.
    pub(super) fn problems(self) -> Vec<Problem> {
        self.problems
    }
}
