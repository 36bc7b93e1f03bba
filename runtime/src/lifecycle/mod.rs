//! What can be done with a container, one file each: `create`, `start`, `run`, `exec`, `kill`, `delete` ...
//!
//! For the binary's commands and for programs that embed the library. Everything here works on a `Store`.

mod cleanup;
pub mod create;
pub mod delete;
mod error;
pub mod exec;
mod fds;
pub(crate) mod filter;
pub mod foreground;
pub mod freeze;
pub mod inspect;
pub mod kill;
mod listener;
mod pid_file;
mod pidfd_socket;
pub mod run;
pub mod start;
mod stdio;
pub mod update;

pub use error::Error;

/// A terminal needs somebody who holds its other end (runc's rules and words).
fn check_console(terminal: bool, detach: bool, socket: bool) -> Result<(), Error> {
    let sentence = match (terminal, detach, socket) {
        (true, true, false) => "cannot allocate tty if runc will detach without setting console socket",
        (false, _, true) | (_, false, true) => {
            "cannot use console socket if runc will not detach or allocate tty"
        }
        _ => return Ok(()),
    };
    Err(Error::Usage(sentence.to_owned()))
}

fn connect_console(path: Option<&std::path::Path>) -> Result<Option<std::os::fd::OwnedFd>, Error> {
    Ok(path.map(|path| crate::console::connect_socket(path, "--console-socket")).transpose()?)
}
