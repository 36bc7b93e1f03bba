//! Hooks that run in the runtime's namespaces (config.md, "POSIX-platform Hooks").

use crate::errno::{io_words, words};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use oci_spec::runtime::Hook;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Why a hook failed.
#[derive(Debug, thiserror::Error)]
#[error("error running {name} hook #{index}: {reason}")]
pub struct Error {
    name: &'static str,
    index: usize,
    reason: String,
}

/// The state that a hook reads on its standard input (runtime.md, "State").
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HookState<'a> {
    /// The config's version.
    pub oci_version: &'a str,
    /// The container's id.
    pub id: &'a str,
    /// creating, created, running or stopped.
    pub status: &'a str,
    /// Its process, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// The bundle, absolute.
    pub bundle: &'a Path,
    /// The config's annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: &'a BTreeMap<String, String>,
}

impl HookState<'_> {
    /// One line of JSON, unescaped where it may be: hooks parse it with simple means.
    pub fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The JSON around the pid, for a process that learns its pid only later.
    pub fn around_pid(&self) -> (String, String) {
        const MARK: i32 = i32::MIN;
        let json = Self { pid: Some(MARK), ..self.clone() }.json();
        let (head, tail) = json.split_once(&MARK.to_string()).unwrap_or((&json, ""));
        (head.to_owned(), tail.to_owned())
    }
}

/// Runs hooks one after the other, in the bundle, as runc does; the first that fails ends it. `process`: the pidfd of the
/// container's process, without which they would be in vain.
pub fn run(
    hooks: &[Hook],
    name: &'static str,
    state: &str,
    bundle: &Path,
    process: Option<BorrowedFd<'_>>,
) -> Result<(), Error> {
    hooks.iter().enumerate().try_for_each(|(index, hook)| {
        run_one(hook, state, Some(bundle), process).map_err(|reason| Error { name, index, reason })
    })
}

/// Runs all hooks, whatever becomes of each: what failed is only told (poststop). Where the caller is: the bundle may
/// be gone.
pub fn run_all(hooks: &[Hook], name: &'static str, state: &str) {
    for (index, hook) in hooks.iter().enumerate() {
        if let Err(reason) = run_one(hook, state, None, None) {
            // Not logged: the command succeeds, and its log has to be empty then.
            crate::logging::print_stderr(&Error { name, index, reason }.to_string());
        }
    }
}

fn run_one(
    hook: &Hook,
    state: &str,
    dir: Option<&Path>,
    process: Option<BorrowedFd<'_>>,
) -> Result<(), String> {
    let (input, output) = (input_file(state).map_err(|e| io_words(&e))?, output_file().map_err(words)?);
    let copy = || output.try_clone().map(Stdio::from).map_err(|error| io_words(&error));
    let mut child = command(hook, dir)
        .stdin(input)
        .stdout(copy()?)
        .stderr(copy()?)
        .spawn()
        .map_err(|error| format!("{}: {}", hook.path().display(), io_words(&error)))?;
    let timeout = hook.timeout().and_then(|s| u64::try_from(s).ok()).map(Duration::from_secs);
    let status = wait(&mut child, timeout, process)?;
    if status.success() {
        return Ok(());
    }
    Err(format!("{}, output: {:?}", exit_words(status), read_back(&output)))
}

fn command(hook: &Hook, dir: Option<&Path>) -> Command {
    let mut command = Command::new(hook.path());
    if let Some(dir) = dir {
        command.current_dir(dir);
    }
    let mut args = hook.args().as_deref().unwrap_or_default().iter();
    if let Some(name) = args.next() {
        command.arg0(name);
    }
    command.args(args);
    // A hook that says nothing of variables gets the runtime's, as with runc; one that wants none gets none.
    if let Some(env) = hook.env() {
        command.env_clear();
        command.envs(env.iter().filter_map(|entry| entry.split_once('=')));
    }
    command
}

/// Waits for the hook on its pidfd, and kills it when its time is over or the container's process has ended.
fn wait(
    child: &mut Child,
    timeout: Option<Duration>,
    process: Option<BorrowedFd<'_>>,
) -> Result<std::process::ExitStatus, String> {
    if timeout.is_some() || process.is_some() {
        let pid = i32::try_from(child.id()).unwrap_or(i32::MAX);
        let pidfd = crate::sys::pidfd_open(pid).map_err(words)?;
        if let Err(reason) = watch(pidfd.as_fd(), timeout, process) {
            let _ = child.kill();
            let _ = child.wait();
            return Err(reason);
        }
    }
    child.wait().map_err(|error| io_words(&error))
}

/// Returns when the hook has ended, or says why it is not to go on.
fn watch(
    hook: BorrowedFd<'_>,
    timeout: Option<Duration>,
    process: Option<BorrowedFd<'_>>,
) -> Result<(), String> {
    // A time that is past all clocks is none.
    let deadline = timeout.and_then(|timeout| Some((timeout, Instant::now().checked_add(timeout)?)));
    let mut fds: Vec<_> =
        [Some(hook), process].into_iter().flatten().map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
    loop {
        let left = deadline.map(|(_, deadline)| deadline.saturating_duration_since(Instant::now()));
        let limit =
            left.map_or(PollTimeout::NONE, |left| PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX));
        match poll(&mut fds, limit) {
            Err(Errno::EINTR) => continue,
            Err(errno) => return Err(format!("poll: {}", words(errno))),
            Ok(_) => {}
        }
        let mut ended = fds.iter().map(|fd| fd.any().unwrap_or(false));
        match (ended.next(), ended.next(), deadline) {
            (Some(true), ..) => return Ok(()),
            (_, Some(true), _) => return Err("the container's process has ended; it was killed".to_owned()),
            (.., Some((timeout, deadline))) if Instant::now() >= deadline => {
                return Err(format!("it did not end within {} s and was killed", timeout.as_secs()));
            }
            _ => {}
        }
    }
}

/// A file for what a hook reads: unlike a pipe it never blocks us.
fn input_file(text: &str) -> io::Result<File> {
    let mut file = output_file()?;
    file.write_all(text.as_bytes())?;
    file.rewind()?;
    Ok(file)
}

/// A file for what a hook writes: unlike a pipe it never blocks the hook.
pub fn output_file() -> Result<File, Errno> {
    use nix::sys::memfd::{MFdFlags, memfd_create};
    memfd_create(c"hook", MFdFlags::MFD_CLOEXEC).map(File::from)
}

/// What a hook has written, cut where it becomes too much for a message.
pub fn read_back(output: &File) -> String {
    const MOST: usize = 4096;
    let mut bytes = vec![0; MOST];
    let length = output.read_at(&mut bytes, 0).unwrap_or(0);
    String::from_utf8_lossy(bytes.get(..length).unwrap_or_default()).trim().to_owned()
}

fn exit_words(status: std::process::ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => status.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hooks_get_one_compact_line() {
        let state = HookState {
            oci_version: "1.3.0",
            id: "web",
            status: "creating",
            pid: Some(7),
            bundle: Path::new("/b"),
            annotations: &BTreeMap::new(),
        };
        let expected = r#"{"ociVersion":"1.3.0","id":"web","status":"creating","pid":7,"bundle":"/b"}"#;
        assert_eq!(state.json(), expected);
        let (head, tail) = state.around_pid();
        assert_eq!(format!("{head}7{tail}"), expected);
    }
}
