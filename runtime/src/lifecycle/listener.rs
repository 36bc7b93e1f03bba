//! `linux.seccomp.listenerPath`: who answers the calls that the filter hands over (seccomp_unotify(2)).

use super::Error;
use super::error::syscall;
use super::inspect::hook_state;
use crate::console;
use crate::container::state::SeccompAgent;
use crate::container::{State, Status};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use nix::unistd::Pid;
use oci_spec::runtime::Spec;
use serde::Serialize;
use serde_json::value::RawValue;
use std::io::{self, IoSlice, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

/// The container process state (config-linux.md, "The container process state").
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProcessState<'a> {
    oci_version: &'a str,
    fds: [&'static str; 1],
    pid: i32,
    #[serde(skip_serializing_if = "str::is_empty")]
    metadata: &'a str,
    state: &'a RawValue,
}

/// The agent of a config, if it names one.
pub(super) fn agent(spec: &Spec) -> Option<SeccompAgent> {
    let seccomp = spec.linux().as_ref()?.seccomp().as_ref()?;
    let path = seccomp.listener_path().clone().filter(|path| !path.as_os_str().is_empty())?;
    Some(SeccompAgent { path, metadata: seccomp.listener_metadata().clone().unwrap_or_default() })
}

/// Hands the listener of the process `pid` to the container's agent, with the state as the runtime-spec has it.
/// Without an agent the listener is closed, and the calls get ENOSYS.
pub(super) fn hand_over(
    state: &State,
    status: Status,
    pid: Option<Pid>,
    listener: Option<OwnedFd>,
) -> Result<(), Error> {
    match (&state.seccomp_agent, pid, listener) {
        (Some(agent), Some(pid), Some(listener)) => tell(agent, state, status, pid, &listener),
        _ => Ok(()),
    }
}

fn tell(
    agent: &SeccompAgent,
    state: &State,
    status: Status,
    pid: Pid,
    listener: &OwnedFd,
) -> Result<(), Error> {
    let failed = |reason: io::Error| Error::File {
        what: "linux.seccomp.listenerPath: send the container process state to",
        path: agent.path.clone(),
        reason,
    };
    let of_container = RawValue::from_string(hook_state(state, status)).map_err(|e| failed(e.into()))?;
    let text = serde_json::to_vec(&ProcessState {
        oci_version: &state.oci_version,
        fds: ["seccompFd"],
        pid: pid.as_raw(),
        metadata: &agent.metadata,
        state: &of_container,
    });
    let text = text.map_err(|e| failed(e.into()))?;
    let socket = console::connect_socket(&agent.path, "linux.seccomp.listenerPath")?;
    let fds = [listener.as_raw_fd()];
    let data = [IoSlice::new(&text)];
    let rights = [ControlMessage::ScmRights(&fds)];
    let sent = sendmsg::<()>(socket.as_raw_fd(), &data, &rights, MsgFlags::MSG_NOSIGNAL, None)
        .map_err(syscall("linux.seccomp.listenerPath: send the listener"))?;
    // A long state may not fit into the socket at once.
    UnixStream::from(socket).write_all(text.get(sent..).unwrap_or_default()).map_err(failed)
}
