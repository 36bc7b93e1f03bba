//! Writes the mappings of a new user namespace: user_namespaces(7), newuidmap(1).

use crate::errno::{io_words, words};
use nix::errno::Errno;
use nix::unistd::Pid;
use skeg_proto::write::InitBuf;
use std::ffi::CString;
use std::fs;
use std::process::{Command, Stdio};

/// Why a mapping could not be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel refused it.
    #[error("{place}: write {file}: {}", words(*errno))]
    Write {
        /// The place in config.json.
        place: &'static str,
        /// The file.
        file: String,
        /// Why.
        errno: Errno,
    },
    /// newuidmap or newgidmap refused it.
    #[error("{place}: {tool}: {reason}")]
    Tool {
        /// The place in config.json.
        place: &'static str,
        /// The helper's path.
        tool: String,
        /// What it printed, or errno in words.
        reason: String,
    },
}

/// Writes setgroups, uid_map and gid_map of the process, directly or by newuidmap and newgidmap.
pub fn write_maps(pid: Pid, init: &InitBuf) -> Result<(), Error> {
    if let Some(map) = &init.uid_map {
        write_map(pid, "uid_map", "linux.uidMappings", map, init.uidmap_path.as_ref())?;
    }
    let Some(map) = &init.gid_map else { return Ok(()) };
    // Without privileges the kernel takes a gid_map only when groups can't be dropped with it (CVE-2014-8989).
    if init.rootless_euid && init.setgroups != Some(true) {
        write(pid, "setgroups", "linux.gidMappings", b"deny")?;
    }
    write_map(pid, "gid_map", "linux.gidMappings", map, init.gidmap_path.as_ref())
}

fn write_map(
    pid: Pid,
    file: &str,
    place: &'static str,
    map: &CString,
    tool: Option<&CString>,
) -> Result<(), Error> {
    match (write(pid, file, place, map.as_bytes()), tool) {
        // More than the own id takes a privilege that the helpers have.
        (Err(Error::Write { errno: Errno::EPERM, .. }), Some(tool)) => run_tool(pid, place, map, tool),
        (result, _) => result,
    }
}

fn write(pid: Pid, name: &str, place: &'static str, text: &[u8]) -> Result<(), Error> {
    let file = format!("/proc/{pid}/{name}");
    fs::write(&file, text).map_err(|error| Error::Write {
        place,
        errno: Errno::from_raw(error.raw_os_error().unwrap_or(0)),
        file,
    })
}

fn run_tool(pid: Pid, place: &'static str, map: &CString, tool: &CString) -> Result<(), Error> {
    let tool = tool.to_string_lossy().into_owned();
    let map = map.to_string_lossy().into_owned();
    let output = Command::new(&tool)
        .arg(pid.to_string())
        .args(map.split_whitespace())
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Error::Tool { place, reason: io_words(&error), tool: tool.clone() })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
    Err(Error::Tool { place, tool, reason: if said.is_empty() { output.status.to_string() } else { said } })
}
