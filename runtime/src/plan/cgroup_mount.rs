//! The mount of type `cgroup`: cgroup2, or a tmpfs with one mount for each v1 hierarchy.

use super::mounts::{Entry, directory_of_data};
use super::text::c_string;
use super::{Builder, Creation, Error, Options};
use crate::cgroup::Layout;
use crate::facts::Facts;
use crate::namespaces::NamespaceType;
use nix::libc::MOUNT_ATTR_RDONLY;
use skeg_proto::step::StepBuf;
use std::collections::BTreeMap;
use std::ffi::CString;
use std::path::{Path, PathBuf};

impl Builder {
    pub(super) fn cgroup_mount(
        &mut self,
        entry: &Entry<'_>,
        facts: &Facts,
        options: &Options,
        creation: &Creation,
    ) -> Result<(), Error> {
        match &facts.cgroup {
            Layout::V2 => self.cgroup2(entry, options, creation),
            Layout::V1(v1) | Layout::Hybrid { v1, .. } => self.cgroup1(entry, v1, options, creation),
            Layout::None => {
                Err(Error::invalid(&entry.origin, "this host has no cgroup file system to mount"))
            }
        }
    }

    fn cgroup2(&mut self, entry: &Entry<'_>, options: &Options, creation: &Creation) -> Result<(), Error> {
        let readonly = entry.options.filesystem_attributes() & MOUNT_ATTR_RDONLY;
        let attr_set = entry.attr_set() | readonly;
        let step = if can_mount(creation) {
            filesystem(entry, &entry.target, c"cgroup2", Vec::new(), attr_set)?
        } else {
            let own = options.cgroup_dirs.first().map(|(_, dir)| dir.as_path());
            bind(entry, &entry.target, own.unwrap_or(Path::new("/sys/fs/cgroup")), attr_set)?
        };
        self.push(step, entry.origin.clone());
        Ok(())
    }

    /// A tmpfs holds one directory for each hierarchy; further names of a hierarchy are links to it.
    fn cgroup1(
        &mut self,
        entry: &Entry<'_>,
        v1: &BTreeMap<String, PathBuf>,
        options: &Options,
        creation: &Creation,
    ) -> Result<(), Error> {
        let attr_set = entry.attr_set();
        let mut tmpfs = vec![c"mode=755".to_owned()];
        if let Some(context) = entry.context() {
            tmpfs.push(c_string(context, &entry.origin)?);
        }
        self.push(filesystem(entry, &entry.target, c"tmpfs", tmpfs, attr_set)?, entry.origin.clone());

        for (mount, names) in hierarchies(v1) {
            let Some(dir) = mount.file_name() else { continue };
            let target = entry.target.join(dir);
            let readonly = entry.options.filesystem_attributes() & MOUNT_ATTR_RDONLY;
            let step = if can_mount(creation) {
                filesystem(
                    entry,
                    &target,
                    c"cgroup",
                    parameters(&names, &entry.origin)?,
                    attr_set | readonly,
                )?
            } else {
                let own = options.cgroup_dirs.iter().find(|(name, _)| names.contains(&name.as_str()));
                bind(entry, &target, own.map_or(mount, |(_, dir)| dir), attr_set | readonly)?
            };
            self.push(step, entry.origin.clone());
            for name in names.iter().filter(|name| Path::new(name) != Path::new(dir) && !name.contains('=')) {
                let path = c_string(entry.target.join(name), &entry.origin)?;
                let step = StepBuf::Symlink {
                    path,
                    target: c_string(dir, &entry.origin)?,
                    exact: false,
                    replace: false,
                };
                self.push(step, entry.origin.clone());
            }
        }
        Ok(())
    }
}

/// Mounting shows the tree of the own cgroup namespace. In a user namespace that shares the host's cgroup namespace,
/// the kernel refuses it; there, and wherever the host's whole tree would show, the own cgroup is bound.
fn can_mount(creation: &Creation) -> bool {
    creation.is_own(NamespaceType::Cgroup)
}

/// The hierarchies by mount point, each with its controllers.
fn hierarchies(v1: &BTreeMap<String, PathBuf>) -> BTreeMap<&Path, Vec<&str>> {
    let mut mounts: BTreeMap<&Path, Vec<&str>> = BTreeMap::new();
    for (name, mount) in v1 {
        mounts.entry(mount).or_default().push(name);
    }
    mounts
}

/// `cpu` and `cpuacct`, or `none` and `name=systemd` for a hierarchy without a controller.
fn parameters(names: &[&str], origin: &str) -> Result<Vec<CString>, Error> {
    let named = names.iter().any(|name| name.starts_with("name="));
    let none = named.then(|| Ok(c"none".to_owned()));
    none.into_iter().chain(names.iter().map(|name| c_string(name, origin))).collect()
}

fn filesystem(
    entry: &Entry<'_>,
    target: &Path,
    fstype: &std::ffi::CStr,
    options: Vec<CString>,
    attr_set: u64,
) -> Result<StepBuf, Error> {
    Ok(StepBuf::Filesystem {
        target: c_string(target, &entry.origin)?,
        fstype: fstype.to_owned(),
        source: c"cgroup".to_owned(),
        options,
        attr_set,
        propagation: entry.options.propagation.clone(),
        no_symlinks: false,
        keep_mode: false,
        target_nofollow: false,
    })
}

fn bind(entry: &Entry<'_>, target: &Path, source: &Path, attr_set: u64) -> Result<StepBuf, Error> {
    let (target, source) = (c_string(target, &entry.origin)?, c_string(source, &entry.origin)?);
    Ok(directory_of_data(target, source, attr_set, entry.options.propagation.clone()))
}
