//! `linux.intelRdt`: the container's group in the kernel's resctrl file system (config-linux.md, "IntelRdt"; the
//! kernel's Documentation/filesystems/resctrl.rst).

mod schemata;

use crate::errno::io_words;
use nix::unistd::Pid;
use oci_spec::runtime::{LinuxIntelRdt, Spec};
use serde::{Deserialize, Serialize};
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// The default class of service, which is the file system's root.
const DEFAULT_CLASS: &str = "/";

/// Names a directory to take for the resctrl file system, where the processor has no RDT to mount one: for tests. It is
/// the caller's to set, as `--root` is; a config can't.
const STAND_IN: &str = "SKEG_RESCTRL";

/// Why a container could not get its group.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no resctrl file system.
    #[error("linux.intelRdt: no resctrl file system is mounted on this host")]
    NotMounted,
    /// `closID` stands alone, and so names a class that others have made.
    #[error("linux.intelRdt.closID: there is no class of service {0:?}, and no schemata to make it with")]
    NoClass(String),
    /// The class is there, with another share.
    #[error("linux.intelRdt.closID: the class of service {class:?} has other schemata than {wanted:?}")]
    Differs {
        /// The class.
        class: String,
        /// What it should have.
        wanted: String,
    },
    /// A file or directory of the group.
    #[error("linux.intelRdt: {what} {}: {reason}", path.display())]
    File {
        /// What was attempted.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed, in the kernel's words where it has any.
        reason: String,
    },
}

/// A container's group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Its directory.
    path: PathBuf,
    /// The directory is the container's own: it comes and goes with it.
    #[serde(default)]
    own: bool,
    /// The directory of its monitoring group, which always comes and goes with the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    monitoring: Option<PathBuf>,
}

impl Group {
    /// The group that the config asks for, none if it asks for none. Nothing is changed yet.
    pub fn of_config(spec: &Spec, id: &str) -> Result<Option<Self>, Error> {
        let rdt = spec.linux().as_ref().and_then(|linux| linux.intel_rdt().as_ref());
        rdt.map(|rdt| Self::locate(&mount_point()?, id, rdt)).transpose()
    }

    /// The container's own group, for one whose config has asked for none.
    pub fn of_container(id: &str) -> Result<Self, Error> {
        Self::locate(&mount_point()?, id, &LinuxIntelRdt::default())
    }

    fn locate(root: &Path, id: &str, rdt: &LinuxIntelRdt) -> Result<Self, Error> {
        let class = rdt.clos_id().as_deref().filter(|class| !class.is_empty());
        let path = match class {
            Some(DEFAULT_CLASS) => root.to_owned(),
            class => root.join(class.unwrap_or(id)),
        };
        let exists = path.is_dir();
        match class {
            Some(class) if !exists && lines(rdt).is_empty() => return Err(Error::NoClass(class.to_owned())),
            Some(class) if exists => compare(&path, class, rdt)?,
            _ => {}
        }
        Ok(Self {
            own: class.is_none() && !exists,
            monitoring: is_monitored(rdt).then(|| path.join("mon_groups").join(id)),
            path,
        })
    }

    /// Makes what is not there yet, and sets the schemata.
    pub fn create(&self, rdt: &LinuxIntelRdt) -> Result<(), Error> {
        make_directory(&self.path)?;
        self.set(rdt)?;
        self.monitoring.as_deref().map_or(Ok(()), make_directory)
    }

    /// Writes the schemata that are given; the others stay.
    pub fn set(&self, rdt: &LinuxIntelRdt) -> Result<(), Error> {
        lines(rdt).iter().try_for_each(|line| write(&self.path.join("schemata"), line))
    }

    /// Puts a process, and what it will fork, into the group.
    pub fn join(&self, pid: Pid) -> Result<(), Error> {
        // First the class: the kernel takes a process into a monitoring group only from the class above it.
        let groups = [Some(&self.path), self.monitoring.as_ref()];
        groups.into_iter().flatten().try_for_each(|group| write(&group.join("tasks"), &pid.to_string()))
    }

    /// Removes what is the container's own. What is gone already is no error.
    pub fn remove(&self) -> Result<(), Error> {
        let monitoring = self.monitoring.as_deref();
        let own = self.own.then_some(self.path.as_path());
        [monitoring, own].into_iter().flatten().try_for_each(|path| match remove_directory(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(failed("remove", path)(error)),
            _ => Ok(()),
        })
    }
}

/// The resctrl file system.
pub fn mount_point() -> Result<PathBuf, Error> {
    if let Some(directory) = std::env::var_os(STAND_IN).filter(|directory| !directory.is_empty()) {
        return Ok(directory.into());
    }
    let table = Path::new("/proc/self/mountinfo");
    let text = fs::read_to_string(table).map_err(failed("read", table))?;
    text.lines().find_map(resctrl_of).ok_or(Error::NotMounted)
}

/// The mount point in a line of proc_pid_mountinfo(5), if it is of resctrl.
fn resctrl_of(line: &str) -> Option<PathBuf> {
    let (mount, filesystem) = line.split_once(" - ")?;
    let is_resctrl = filesystem.split(' ').next() == Some("resctrl");
    mount.split(' ').nth(4).filter(|_| is_resctrl).map(PathBuf::from)
}

/// What is one switch now was two up to version 1.2.1 of the specification.
#[allow(deprecated)]
fn is_monitored(rdt: &LinuxIntelRdt) -> bool {
    let switches = [rdt.enable_monitoring(), rdt.enable_cmt(), rdt.enable_mbm()];
    switches.into_iter().flatten().any(|on| *on)
}

/// All that the config wants in the file schemata, in the order in which it has to be written.
fn lines(rdt: &LinuxIntelRdt) -> Vec<&str> {
    let schemata = rdt.schemata().iter().flatten().map(String::as_str);
    short_forms(rdt).chain(schemata).filter(|line| !line.is_empty()).collect()
}

fn short_forms(rdt: &LinuxIntelRdt) -> impl Iterator<Item = &str> {
    [rdt.l3_cache_schema(), rdt.mem_bw_schema()].into_iter().flatten().map(String::as_str)
}

/// A class that others have made must have what the short forms say.
fn compare(path: &Path, class: &str, rdt: &LinuxIntelRdt) -> Result<(), Error> {
    let wanted: Vec<&str> = short_forms(rdt).filter(|line| !line.is_empty()).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let file = path.join("schemata");
    let is = fs::read_to_string(&file).map_err(failed("read", &file))?;
    match wanted.into_iter().find(|line| !schemata::has(&is, line)) {
        Some(line) => Err(Error::Differs { class: class.to_owned(), wanted: line.to_owned() }),
        None => Ok(()),
    }
}

fn make_directory(path: &Path) -> Result<(), Error> {
    match fs::create_dir(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(failed("create", path)(error)),
        _ => Ok(()),
    }
}

/// The kernel removes a group's files with its directory; a stand-in of plain files has to be emptied.
fn remove_directory(path: &Path) -> io::Result<()> {
    match fs::remove_dir(path) {
        Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => fs::remove_dir_all(path),
        done => done,
    }
}

/// One write, one line: each is taken or refused as a whole.
fn write(path: &Path, line: &str) -> Result<(), Error> {
    let file = OpenOptions::new().append(true).create(true).open(path);
    file.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes())).map_err(failed("write", path))
}

fn failed(what: &'static str, path: &Path) -> impl Fn(io::Error) -> Error {
    move |error| {
        let said = last_status(path).map(|said| format!(" ({said})")).unwrap_or_default();
        Error::File { what, path: path.to_owned(), reason: format!("{}{said}", io_words(&error)) }
    }
}

/// What the kernel says of the last thing that it refused.
fn last_status(path: &Path) -> Option<String> {
    let info = Path::new("info/last_cmd_status");
    let text = path.ancestors().find_map(|dir| fs::read_to_string(dir.join(info)).ok())?;
    let text = text.trim();
    (!text.is_empty() && text != "ok").then(|| text.to_owned())
}

#[cfg(test)]
mod tests;
