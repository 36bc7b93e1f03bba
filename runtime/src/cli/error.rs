//! What can be wrong with a command line, in the words of Go's flag package, which callers know from runc.

/// A command line that can't be used.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum Error {
    /// A flag or the number of arguments is wrong. `stdout` is the hint and help text that runc prints before the
    /// error.
    #[error("{message}")]
    Usage {
        /// The error itself.
        message: String,
        /// What belongs on stdout.
        stdout: String,
    },
    /// There is no such command.
    #[error("No help topic for '{0}'")]
    UnknownCommand(String),
    /// An argument's value is wrong, in a way that the help text doesn't help with.
    #[error("{0}")]
    Value(String),
}

impl Error {
    /// The process's exit code, as runc has it.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::UnknownCommand(_) => 3,
            Self::Usage { .. } | Self::Value(_) => 1,
        }
    }

    /// The help text that goes to stdout before the error is reported.
    pub fn stdout(&self) -> Option<&str> {
        match self {
            Self::Usage { stdout, .. } => Some(stdout),
            Self::UnknownCommand(_) | Self::Value(_) => None,
        }
    }
}
