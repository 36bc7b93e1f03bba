//! The filters of earlier containers, so that a profile is compiled once, and not for each of the thousands of containers
//! of a fleet that have it.
//!
//! An entry is a second name of a container's seccomp.bpf, in the root of all state directories. It goes only by the text of
//! the profile, byte for byte, and by the compiler. Nothing in it is needed: whoever removes it costs the next container the
//! time to compile.

use super::{FILTER, file};
use crate::container::Directory;
use crate::seccomp::Filter;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag};
use nix::sys::stat::{Mode, fstat};
use nix::unistd::{UnlinkatFlags, geteuid, linkat, unlinkat};
use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

/// How many there are at most: all that a host has, with few that get in each other's way.
const ENTRIES: u64 = 256;

/// A filter that was found.
pub struct Entry {
    pub filter: Filter,
    file: File,
}

/// Looks for the filter of a profile in a state root.
pub fn find(root: &Path, profile: &[u8]) -> Option<Entry> {
    // O_NONBLOCK: a FIFO of that name must not make us wait.
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let mut file = File::from(nix::fcntl::open(&place(root, profile), flags, Mode::empty()).ok()?);
    let stat = fstat(&file).ok()?;
    // A root may be one that others can write to.
    let is_ours = stat.st_uid == geteuid().as_raw() && stat.st_mode & 0o022 == 0;
    let length = usize::try_from(stat.st_size).ok().filter(|_| is_ours)?;
    let filter = file::read_if_of(&mut file, length, profile).ok()??;
    Some(Entry { filter, file })
}

/// Makes the filter of a container, which was saved with the text of its profile, an entry: in place of what is there, if
/// anything is. That it can't be is no reason to fail.
pub fn add(root: &Path, profile: &[u8], directory: &Directory) {
    let place = place(root, profile);
    let linked = match unlinkat(AT_FDCWD, &place, UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(nix::Error::ENOENT) => {
            linkat(directory.as_fd(), FILTER, AT_FDCWD, &place, AtFlags::empty())
        }
        Err(errno) => Err(errno),
    };
    if let Err(errno) = linked {
        log::debug!("{}: the filter is not kept for other containers: {errno}", place.display());
    }
}

impl Entry {
    /// Makes it the filter of a container that is being made.
    pub fn link(&self, directory: &Directory) -> nix::Result<()> {
        // Its file, whatever has the name by now. Before Linux 6.10 this takes CAP_DAC_READ_SEARCH.
        linkat(&self.file, "", directory.as_fd(), FILTER, AtFlags::AT_EMPTY_PATH)
    }
}

/// No container can have this name.
fn place(root: &Path, profile: &[u8]) -> PathBuf {
    root.join(format!("@seccomp-{:02x}", hash(profile) % ENTRIES))
}

/// Any hash will do: what is found is compared.
fn hash(text: &[u8]) -> u64 {
    let (words, rest) = text.as_chunks();
    let words = words.iter().map(|word| u64::from_le_bytes(*word));
    let all = words.chain(rest.iter().map(|byte| u64::from(*byte)));
    all.fold(0, |hash: u64, word| (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29))
}
