//! `run`: create, start and, in the foreground, stay until the end and delete.

use super::Error;
use super::create::{Created, Request, create};
use super::error::syscall;
use super::foreground::{self, Signals, Terminal};
use crate::container::Store;

/// What `run` knows beside the request.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// `--keep`: don't delete the container at its end.
    pub keep: bool,
    /// Adopt what the container leaves behind; not with `--no-subreaper`.
    pub subreaper: bool,
}

/// Runs a container; returns the exit code of its process in the foreground, 0 when detached.
pub fn run(store: &Store, request: &Request, options: Options) -> Result<i32, Error> {
    if request.detach {
        let mut created = create(store, request)?;
        start(store, request, &mut created)?;
        return Ok(0);
    }
    if options.subreaper {
        crate::sys::become_subreaper().map_err(syscall("become a subreaper"))?;
    }
    // From before the process exists: its end, and any signal, must not be missed.
    let signals = Signals::take()?;
    let mut created = create(store, request)?;
    let terminal = created.master.take().map(Terminal::new).transpose()?;
    let outcome = start(store, request, &mut created)
        .and_then(|()| foreground::wait(created.pid(), &signals, terminal, created.notify.as_ref()));
    match outcome {
        Ok(code) if options.keep => Ok(code),
        Ok(code) => {
            super::delete::delete_ended(created.directory(), &created.state)?;
            Ok(code)
        }
        Err(error) => {
            if let Err(more) = super::delete::delete(store, &request.id, true) {
                log::warn!("{more}");
            }
            Err(error)
        }
    }
}

/// Lets the program run; a failure removes the container.
fn start(store: &Store, request: &Request, created: &mut Created) -> Result<(), Error> {
    created.release();
    let started =
        created.wait_for_exec().and_then(|()| super::start::poststart(created.directory(), &created.state));
    started.inspect_err(|_| {
        if let Err(more) = super::delete::delete(store, &request.id, true) {
            log::warn!("{more}");
        }
    })
}
