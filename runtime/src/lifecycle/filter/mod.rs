//! The seccomp filter of a container: compiled at create, kept beside state.json for `exec`, and remembered for the next
//! container with the same profile.
//!
//! - `mod`: which of the filters it is
//! - `file`: one on disk
//! - `cache`: those of earlier containers

mod cache;
mod file;

use super::Error;
use crate::config;
use crate::container::store::FILTER;
use crate::container::{Directory, Store};
use crate::seccomp::{self, Filter};
use crate::sys::seccomp_flag_is_known;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use oci_spec::runtime::Spec;
use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

/// Where the filter of a bundle comes from.
pub(super) enum Source {
    /// Another container had the same profile.
    Cache(cache::Entry),
    /// The profile of the config, if there is one, and its text.
    Config(Option<Vec<u8>>),
}

/// Reads the config of a bundle, which is left without its profile if the filter is in the cache: most of the time that a
/// profile takes is that of parsing and compiling it.
pub(super) fn load_config(store: &Store, bundle: &Path) -> Result<(Spec, Source), Error> {
    let name = Path::new("config.json");
    let mut text = config::read(bundle)?;
    let Some(place) = config::profile_place(&text) else {
        return Ok((config::parse(&text, name)?, Source::Config(None)));
    };
    let profile = text.get(place.clone()).unwrap_or_default();
    // The parser has words about profiles, too, for those who asked for more of them.
    let cached = match log::log_enabled!(log::Level::Debug) {
        true => None,
        false => cache::find(store.root(), profile),
    };
    let Some(entry) = cached else {
        let profile = Some(profile.to_vec());
        return Ok((config::parse(&text, name)?, Source::Config(profile)));
    };
    text.splice(place, *b"null");
    match config::parse(&text, name) {
        Ok(spec) => Ok((spec, Source::Cache(entry))),
        // Told from the whole text, whose lines and columns are those that people see.
        Err(_) => Ok((config::load(bundle)?, Source::Config(None))),
    }
}

impl Source {
    /// The filter; None where the config has no profile.
    pub fn filter(&self, spec: &Spec) -> Result<Option<Cow<'_, Filter>>, Error> {
        match self {
            Self::Cache(entry) => Ok(Some(Cow::Borrowed(&entry.filter))),
            Self::Config(_) => Ok(compile(spec)?.map(Cow::Owned)),
        }
    }

    /// Gives the filter to a container that is being made.
    pub fn save(&self, directory: &Directory, filter: &Filter) -> Result<(), Error> {
        if let Self::Cache(entry) = self
            && entry.link(directory).is_ok()
        {
            return Ok(());
        }
        let profile = self.profile_of(filter).unwrap_or_default();
        open(directory, OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL)
            .and_then(|mut new| file::write(&mut new, filter, profile))
            .map_err(failed("write", directory))
    }

    /// Puts the saved filter of a container that was made into the cache.
    pub fn remember(&self, store: &Store, directory: &Directory, filter: &Filter) {
        if let Some(profile) = self.profile_of(filter) {
            cache::add(store.root(), profile, directory);
        }
    }

    /// The text of a profile that is not in the cache and whose filter others may use: that of a listener does not come from
    /// the profile alone, see [`compile`].
    fn profile_of(&self, filter: &Filter) -> Option<&[u8]> {
        match self {
            Self::Config(profile) if !filter.listener => profile.as_deref(),
            _ => None,
        }
    }
}

/// The filter of the config, if there is one.
pub(crate) fn compile(spec: &Spec) -> Result<Option<Filter>, Error> {
    let profile = spec.linux().as_ref().and_then(|l| l.seccomp().as_ref());
    let mut filter = profile.map(|p| seccomp::compile(p, &seccomp::Host::native())).transpose()?;
    if let Some(filter) = &mut filter {
        let wait = filter.flags & seccomp::FLAG_WAIT_KILLABLE_RECV;
        // Newer than the oldest kernel that we support; runc goes on without it, too.
        if wait != 0 && !seccomp_flag_is_known(wait) {
            filter.flags &= !wait;
        }
    }
    Ok(filter)
}

/// The filter that a container was made with; None where it has none.
pub(super) fn of_container(directory: &Directory) -> Result<Option<Filter>, Error> {
    match open(directory, OFlag::O_RDONLY) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("open", directory)(error)),
        Ok(mut file) => file::read(&mut file).map(Some).map_err(failed("read", directory)),
    }
}

fn open(directory: &Directory, flags: OFlag) -> io::Result<File> {
    let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    Ok(File::from(openat(directory.as_fd(), FILTER, flags, Mode::S_IRUSR | Mode::S_IWUSR)?))
}

fn failed(what: &'static str, directory: &Directory) -> impl Fn(io::Error) -> Error {
    let path: PathBuf = directory.path().join(FILTER);
    move |reason| Error::File { what, path: path.clone(), reason }
}

#[cfg(test)]
mod tests;
