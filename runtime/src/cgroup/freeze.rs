//! Stops and continues all processes of a cgroup: cgroup.freeze of v2, the freezer controller of v1.

use super::dir::Dir;
use super::error::{Error, Result};
use super::tree::Tree;
use nix::errno::Errno;
use std::time::{Duration, Instant};

/// How long processes may take to stop. One in an uninterruptible system call takes as long as that call.
const LIMIT: Duration = Duration::from_secs(10);

/// Who freezes.
enum Freezer<'a> {
    V1(&'a Dir),
    V2(&'a Dir),
}

fn freezer(tree: &Tree) -> Option<Freezer<'_>> {
    let v1 = tree.get("freezer").map(|hierarchy| Freezer::V1(&hierarchy.dir));
    v1.or_else(|| tree.unified().map(|hierarchy| Freezer::V2(&hierarchy.dir)))
}

pub(super) fn freeze(tree: &Tree) -> Result<()> {
    let frozen = match freezer(tree).ok_or(Error::NoFreezer)? {
        Freezer::V1(dir) => freeze_v1(dir),
        Freezer::V2(dir) => freeze_v2(dir),
    };
    if frozen.is_err() {
        // Half frozen is worse than not frozen; the first error is the one to tell.
        if let Err(e) = thaw(tree) {
            log::warn!("{e}");
        }
    }
    frozen
}

pub(super) fn thaw(tree: &Tree) -> Result<()> {
    match freezer(tree).ok_or(Error::NoFreezer)? {
        Freezer::V1(dir) => dir.write_named("freezer.state", "THAWED"),
        Freezer::V2(dir) => dir.write_named("cgroup.freeze", "0"),
    }
}

fn freeze_v2(dir: &Dir) -> Result<()> {
    dir.write_named("cgroup.freeze", "1")?;
    match dir.wait_event("frozen", 1, LIMIT) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Error::FreezeTimeout(dir.path().to_path_buf())),
        Err(errno) => Err(Error::io("read", dir.path().join("cgroup.events"), errno)),
    }
}

/// v1 has no event for "all stopped", and doesn't finish while processes keep appearing: ask again, and let them run
/// for a moment now and then.
fn freeze_v1(dir: &Dir) -> Result<()> {
    let deadline = Instant::now() + LIMIT;
    let mut pause = Duration::from_micros(10);
    for round in 1_u32.. {
        dir.write_named("freezer.state", "FROZEN")?;
        match dir.read_named("freezer.state")?.trim() {
            "FROZEN" => return Ok(()),
            "FREEZING" => {}
            other => return Err(content(dir, "freezer.state", other)),
        }
        if Instant::now() > deadline {
            break;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(10));
        if round.is_multiple_of(50) {
            dir.write_named("freezer.state", "THAWED")?;
            std::thread::sleep(pause);
        }
    }
    Err(Error::FreezeTimeout(dir.path().to_path_buf()))
}

/// Whether the cgroup itself is frozen, or about to be.
pub(super) fn is_frozen(tree: &Tree) -> Result<bool> {
    match freezer(tree) {
        None => Ok(false),
        Some(Freezer::V2(dir)) => {
            Ok(gone_is_none(dir, "cgroup.freeze")?.is_some_and(|text| text.trim() == "1"))
        }
        // "1" from the moment that somebody has written FROZEN; not for a frozen parent's sake.
        Some(Freezer::V1(dir)) => match gone_is_none(dir, "freezer.self_freezing")? {
            Some(text) => Ok(text.trim() == "1"),
            None => Ok(false),
        },
    }
}

/// Whether a process that enters would not run, whoever's doing that is.
pub(super) fn is_stopped(tree: &Tree) -> Result<bool> {
    match freezer(tree) {
        None => Ok(false),
        Some(Freezer::V1(dir)) => {
            Ok(gone_is_none(dir, "freezer.state")?.is_some_and(|text| text.trim() != "THAWED"))
        }
        Some(Freezer::V2(dir)) => match dir.keyed("cgroup.events", "frozen") {
            Ok(frozen) => Ok(frozen == Some(1)),
            // The root cgroup has no such file, and can't be frozen.
            Err(Errno::ENOENT) => Ok(false),
            Err(errno) => Err(Error::io("read", dir.path().join("cgroup.events"), errno)),
        },
    }
}

/// A file's text, or `None` when the cgroup is gone (ENODEV while it is still open).
fn gone_is_none(dir: &Dir, file: &str) -> Result<Option<String>> {
    match dir.read(file) {
        Ok(text) => Ok(Some(text)),
        Err(Errno::ENOENT | Errno::ENODEV) => Ok(None),
        Err(errno) => Err(Error::io("read", dir.path().join(file), errno)),
    }
}

fn content(dir: &Dir, file: &str, text: &str) -> Error {
    Error::Content { path: dir.path().join(file), content: text.chars().take(80).collect() }
}
