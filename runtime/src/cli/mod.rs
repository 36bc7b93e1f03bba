//! The command line: runc's commands and flags as types.
//!
//! ```text
//! skeg [global options] COMMAND [command options] ARGUMENTS
//!      `global`                 `command`
//! ```
//!
//! `go_flags` reads what Go's flag package accepts; of a command's flags clap then fills the types. Only the clap `Command`
//! of the command in use is ever built, and none for the global options: callers run skeg four times for each container.

pub mod command;
pub mod error;
pub mod format;
pub mod global;
mod go_flags;
mod help;
mod parse;
pub mod size;
pub mod user;

#[cfg(test)]
mod tests;

pub use command::Command;
pub use error::Error;
pub use global::{Global, LogFormat};

use std::ffi::{OsStr, OsString};
use std::path::Path;

/// The names of the commands.
pub fn commands() -> impl Iterator<Item = &'static str> {
    command::COMMANDS.iter().map(|command| command.name)
}

/// What a command line asks for.
#[derive(Debug, PartialEq)]
pub enum Request<T> {
    /// Do it.
    Run(T),
    /// Only print this on stdout and succeed: a help text, or the version.
    Print(String),
}

/// How this process was called: a binary installed as `runc` calls itself runc.
#[derive(Debug, Clone, PartialEq)]
pub struct Program {
    /// The file name of argv\[0\], which starts every message and help text.
    pub name: String,
    /// argv\[0\] as it is.
    pub argv0: String,
}

impl Program {
    /// Takes argv\[0\]; a caller that passes none gets the name of this project.
    pub fn new(argv0: Option<&OsStr>) -> Self {
        let argv0 = argv0.filter(|text| !text.is_empty()).unwrap_or(OsStr::new("skeg"));
        let name = Path::new(argv0).file_name().unwrap_or(argv0);
        Self { name: name.to_string_lossy().into_owned(), argv0: argv0.to_string_lossy().into_owned() }
    }

    /// The text of `--version`. Callers read exactly these three lines, by their prefixes.
    pub fn version(&self) -> String {
        let Self { name, .. } = self;
        let (version, commit) = (env!("CARGO_PKG_VERSION"), env!("SKEG_COMMIT"));
        format!("{name} version {version}\ncommit: {commit}\nspec: {}\n", crate::container::OCI_VERSION)
    }
}

/// Parses the global options; the command and its arguments come back unparsed, since where its errors are
/// logged is known only after this.
///
/// `args` are the arguments without argv\[0\].
pub fn global(program: &Program, args: &[OsString]) -> Result<Request<(Global, Vec<OsString>)>, Error> {
    global::parse(program, args)
}

/// Parses a command and its arguments, as [`global`] left them.
pub fn command(program: &Program, args: &[OsString]) -> Result<Request<Command>, Error> {
    command::parse(program, args)
}
