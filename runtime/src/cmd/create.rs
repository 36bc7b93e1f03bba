//! `create`.

use super::{absolute, store};
use crate::cli::Global;
use crate::cli::command::Create;
use crate::lifecycle::create::{Request, create};

/// Creates a container that waits for `start`.
pub fn run(global: &Global, args: &Create) -> anyhow::Result<i32> {
    let mut created = create(&store(global), &request(global, args, true, true)?)?;
    created.release();
    Ok(0)
}

/// What `create` and `run` have in common.
pub(super) fn request(
    global: &Global,
    args: &Create,
    detach: bool,
    wait_for_start: bool,
) -> anyhow::Result<Request> {
    Ok(Request {
        id: args.id.clone(),
        bundle: args.bundle.clone().unwrap_or_else(|| ".".into()),
        console_socket: args.console_socket.clone(),
        pidfd_socket: args.pidfd_socket.clone(),
        pid_file: args.pid_file.as_deref().map(absolute).transpose()?,
        no_pivot: args.no_pivot,
        no_new_keyring: args.no_new_keyring,
        preserve_fds: args.preserve_fds,
        rootless: global.rootless,
        detach,
        wait_for_start,
    })
}
