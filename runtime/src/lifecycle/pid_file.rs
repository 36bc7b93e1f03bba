//! `--pid-file`: digits and nothing else, there whole or not at all.

use super::Error;
use nix::unistd::Pid;
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Writes the pid to `.NAME` beside the file and renames it there. A link in its place is replaced, never followed.
pub(super) fn write(path: &Path, pid: Pid) -> Result<(), Error> {
    let scratch = scratch(path);
    let failed = |reason| Error::File { what: "write pid file", path: path.to_owned(), reason };
    // Left by a runtime that was killed here.
    let _ = fs::remove_file(&scratch);
    let mut options = fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o644)
        .custom_flags(nix::libc::O_NOFOLLOW)
        .open(&scratch)
        .map_err(failed)?;
    file.write_all(pid.to_string().as_bytes()).and_then(|()| fs::rename(&scratch, path)).map_err(|source| {
        let _ = fs::remove_file(&scratch);
        failed(source)
    })
}

fn scratch(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}"))
}
