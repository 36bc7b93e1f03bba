//! The root: where it is attached, when it becomes "/", and what is made read-only at the end.

use super::mounts::origin;
use super::text::c_string;
use super::{Builder, Creation, Error, Options};
use crate::config::{MountOptions, destination, mount_options};
use crate::namespaces::NamespaceType;
use nix::libc::{MOUNT_ATTR_RDONLY, MS_PRIVATE, MS_REC, MS_SHARED, MS_SLAVE, MS_UNBINDABLE};
use oci_spec::runtime::{Mount, Spec};
use skeg_proto::step::StepBuf;
use std::path::{Path, PathBuf};

impl Builder {
    /// Cuts the container's mounts off from the host's and attaches the rootfs.
    pub(super) fn root(&mut self, spec: &Spec, options: &Options, creation: &Creation) -> Result<(), Error> {
        let root = spec.root().as_ref().ok_or(Error::Missing("root"))?;
        if !creation.is_own(NamespaceType::Mount) {
            // Whatever was mounted would be mounted on the host.
            let path = c_string(options.bundle.join(root.path()), "root.path")?;
            self.push(StepBuf::Chroot { path }, place(root.path()));
            return Ok(());
        }
        let flags = propagation(spec)?;
        let path = c_string(options.bundle.join(root.path()), "root.path")?;
        self.push(StepBuf::Propagation { flags }, "linux.rootfsPropagation");
        // Below a shared mount, whatever is attached would appear on the host too, and pivot_root refuses it.
        if flags & MS_SHARED as u32 != 0 {
            self.push(StepBuf::PrivateParent { path: path.clone() }, "root.path");
        }
        self.push(StepBuf::Root { path }, place(root.path()));
        Ok(())
    }

    /// Makes the rootfs "/". What the config asks of its propagation holds from here on.
    pub(super) fn pivot(&mut self, spec: &Spec, options: &Options, creation: &Creation) -> Result<(), Error> {
        if !creation.is_own(NamespaceType::Mount) {
            return Ok(());
        }
        let step = if options.no_pivot { StepBuf::MoveRoot {} } else { StepBuf::Pivot {} };
        self.push(step, "root.path");
        // Slaves and private mounts are so from the start; now the mounts that ask for another are there, too.
        self.propagation_of_root(spec, MS_SHARED)
    }

    /// Nothing can be bound any more from where a root is unbindable with all below it: after what is.
    pub(super) fn unbindable(&mut self, spec: &Spec, creation: &Creation) -> Result<(), Error> {
        if creation.is_own(NamespaceType::Mount) {
            self.propagation_of_root(spec, MS_UNBINDABLE)
        } else {
            Ok(())
        }
    }

    fn propagation_of_root(&mut self, spec: &Spec, kinds: u64) -> Result<(), Error> {
        match rootfs_propagation(spec)? {
            Some(flags) if u64::from(flags) & kinds != 0 => {
                self.push(StepBuf::Propagation { flags }, "linux.rootfsPropagation");
            }
            _ => {}
        }
        Ok(())
    }

    /// Standard streams on the host's null device would keep a file of the host's open.
    pub(super) fn reopen_null(&mut self, creation: &Creation) {
        if creation.is_own(NamespaceType::Mount) {
            self.push(StepBuf::ReopenNull {}, "process (standard streams)");
        }
    }

    /// What was mounted writable so that other things could be put into it.
    pub(super) fn late_readonly(&mut self, spec: &Spec) -> Result<(), Error> {
        for (index, mount) in spec.mounts().iter().flatten().enumerate() {
            if holds_others(mount) && is_late_readonly(mount, &mount_options::of(mount)) {
                let origin = origin(index, mount);
                let path = c_string(destination(mount), &origin)?;
                self.set_readonly(path, origin);
            }
        }
        if spec.root().as_ref().and_then(|r| r.readonly()).unwrap_or(false) {
            self.set_readonly(c"/".to_owned(), "root.readonly".to_owned());
        }
        Ok(())
    }

    fn set_readonly(&mut self, path: std::ffi::CString, origin: String) {
        let step = StepBuf::SetAttributes { path, set: MOUNT_ATTR_RDONLY, clear: 0, recursive: false };
        self.push(step, origin);
    }

    /// `linux.readonlyPaths`, then `linux.maskedPaths`.
    pub(super) fn readonly_and_masked(&mut self, spec: &Spec) -> Result<(), Error> {
        let Some(linux) = spec.linux() else { return Ok(()) };
        for (index, path) in linux.readonly_paths().iter().flatten().enumerate() {
            let origin = format!("linux.readonlyPaths[{index}] ({path})");
            self.push(StepBuf::Readonly { path: c_string(plain(path), &origin)? }, origin);
        }
        for (index, path) in linux.masked_paths().iter().flatten().enumerate() {
            let origin = format!("linux.maskedPaths[{index}] ({path})");
            self.push(StepBuf::Mask { path: c_string(plain(path), &origin)? }, origin);
        }
        Ok(())
    }
}

/// The path without a slash or a dot behind it: what is behind a file does not exist (ENOTDIR), and would be left as
/// something that needs no cover.
fn plain(path: &str) -> PathBuf {
    Path::new(path).components().collect()
}

/// Whether a mount asked to be read-only is made so only at the end: other mounts, devices and symlinks go into it.
pub(super) fn is_late_readonly(mount: &Mount, options: &MountOptions) -> bool {
    let is_readonly = options.filesystem_attributes() & MOUNT_ATTR_RDONLY != 0;
    is_readonly && options.bind.is_none() && holds_others(mount)
}

fn holds_others(mount: &Mount) -> bool {
    matches!(mount.typ().as_deref(), Some("tmpfs" | "cgroup")) || destination(mount) == Path::new("/dev")
}

/// What the host's mounts are made while the container is built: all of them, since nothing that is mounted may come
/// back to the host, unless the config wants just that. What is unbindable could not be the root.
pub(super) fn propagation(spec: &Spec) -> Result<u32, Error> {
    let has = |flags: u32, kind: u64| u64::from(flags) & kind != 0;
    Ok(match rootfs_propagation(spec)? {
        Some(flags) if has(flags, MS_SHARED) => flags,
        Some(flags) if has(flags, MS_PRIVATE) => (MS_PRIVATE | MS_REC) as u32,
        _ => (MS_SLAVE | MS_REC) as u32,
    })
}

fn rootfs_propagation(spec: &Spec) -> Result<Option<u32>, Error> {
    let name = spec.linux().as_ref().and_then(|l| l.rootfs_propagation().as_deref()).unwrap_or_default();
    if name.is_empty() {
        return Ok(None);
    }
    match mount_options::parse(&[name.to_owned()]).propagation.first() {
        Some(flags) => Ok(Some(*flags)),
        None => Err(Error::invalid("linux.rootfsPropagation", format!("unknown value {name:?}"))),
    }
}

fn place(path: &Path) -> String {
    format!("root.path ({})", path.display())
}
