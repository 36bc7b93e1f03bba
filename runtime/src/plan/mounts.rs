//! `mounts`, in the order of the config.

use super::root::is_late_readonly;
use super::text::{c_string, c_strings};
use super::{Builder, Creation, Error, Options};
use crate::cgroup::Layout;
use crate::config::{Bind, MountOptions, destination, is_proc_file, mount_options};
use crate::facts::Facts;
use crate::namespaces::NamespaceType;
use nix::libc::{MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY};
use oci_spec::runtime::{Mount, Spec};
use skeg_proto::step::StepBuf;
use std::ffi::CString;
use std::path::{Path, PathBuf};

/// One mount of the config, resolved.
pub(super) struct Entry<'a> {
    pub origin: String,
    pub target: PathBuf,
    pub fstype: &'a str,
    pub options: MountOptions,
    pub mount: &'a Mount,
    /// `linux.mountLabel`.
    label: Option<&'a str>,
}

impl Builder {
    /// All of `mounts`.
    pub(super) fn mounts(
        &mut self,
        spec: &Spec,
        facts: &Facts,
        options: &Options,
        creation: &Creation,
    ) -> Result<(), Error> {
        for (index, mount) in spec.mounts().iter().flatten().enumerate() {
            if !creation.is_own(NamespaceType::Mount) {
                return Err(Error::invalid(
                    format!("mounts[{index}]"),
                    "needs a mount namespace in linux.namespaces",
                ));
            }
            let entry = Entry::new(index, mount, mount_label(spec), &facts.cgroup);
            match entry.fstype {
                _ if entry.options.remount => self.remount(&entry)?,
                "cgroup" => self.cgroup_mount(&entry, facts, options, creation)?,
                "bind" if entry.options.copy_symlink && self.copied_symlink(&entry, options)? => {}
                "bind" if self.needs_tree(&entry, facts, creation) => {
                    let source = options.bundle.join(entry.source()?);
                    self.attach(&entry, spec, creation, source)?;
                }
                "bind" => self.bind(&entry, &options.bundle)?,
                _ => self.filesystem(&entry)?,
            }
        }
        if let Some(dir) = &options.notify_dir {
            let (target, source) = (c"/run/notify".to_owned(), c_string(dir, "NOTIFY_SOCKET")?);
            // It is in the state directory of the host. One can send to a socket on a read-only mount.
            self.push(directory_of_data(target, source, MOUNT_ATTR_RDONLY, Vec::new()), "NOTIFY_SOCKET");
        }
        Ok(())
    }

    fn filesystem(&mut self, entry: &Entry<'_>) -> Result<(), Error> {
        let options = &entry.options;
        let mut parameters = options.filesystem_parameters(entry.fstype);
        parameters.extend(entry.context());
        check_length(&parameters, &entry.origin)?;
        let keep_mode = entry.fstype == "tmpfs" && !options.data.iter().any(|o| o.starts_with("mode="));
        let step = StepBuf::Filesystem {
            target: c_string(&entry.target, &entry.origin)?,
            fstype: c_string(entry.fstype, &entry.origin)?,
            source: c_string(entry.mount.source().as_deref().unwrap_or(Path::new("")), &entry.origin)?,
            options: c_strings(parameters, &entry.origin)?,
            attr_set: entry.attr_set(),
            propagation: options.propagation.clone(),
            no_symlinks: entry.no_symlinks(),
            keep_mode,
            // Elsewhere, too, nothing but a directory gets one.
            target_nofollow: matches!(entry.fstype, "proc" | "sysfs"),
        };
        if options.tmpcopyup {
            self.push(StepBuf::CopyUp {}, entry.origin.clone());
        }
        self.push(step, entry.origin.clone());
        if let (Some(label), "mqueue") = (entry.label, entry.fstype) {
            let path = c_string(&entry.target, &entry.origin)?;
            let value = c_string(label, MOUNT_LABEL)?;
            self.push(StepBuf::FileLabel { path, value }, MOUNT_LABEL);
        }
        Ok(())
    }

    /// Changes what is mounted at the target: with `bind` the mount alone, otherwise its file system, too.
    fn remount(&mut self, entry: &Entry<'_>) -> Result<(), Error> {
        let options = &entry.options;
        let target = c_string(&entry.target, &entry.origin)?;
        let parameters = options.filesystem_parameters(entry.fstype);
        if options.bind.is_none() && !parameters.is_empty() {
            let options = c_strings(parameters, &entry.origin)?;
            self.push(StepBuf::Reconfigure { target: target.clone(), options }, entry.origin.clone());
        }
        for (set, clear, recursive) in
            [(options.attr_set, options.attr_clear, false), (options.tree_set, options.tree_clear, true)]
        {
            if set | clear != 0 {
                let step = StepBuf::SetAttributes { path: target.clone(), set, clear, recursive };
                self.push(step, entry.origin.clone());
            }
        }
        Ok(())
    }

    /// Whether the source is a symlink, which is then made again at the target.
    fn copied_symlink(&mut self, entry: &Entry<'_>, options: &Options) -> Result<bool, Error> {
        let Some(link) = options.links.get(&options.bundle.join(entry.source()?)) else { return Ok(false) };
        let path = c_string(&entry.target, &entry.origin)?;
        let step =
            StepBuf::Symlink { path, target: c_string(link, &entry.origin)?, exact: true, replace: false };
        self.push(step, entry.origin.clone());
        Ok(true)
    }

    fn bind(&mut self, entry: &Entry<'_>, bundle: &Path) -> Result<(), Error> {
        let source = entry.source()?;
        let options = &entry.options;
        let step = StepBuf::Bind {
            target: c_string(&entry.target, &entry.origin)?,
            source: c_string(bundle.join(source), &entry.origin)?,
            recursive: options.bind == Some(Bind::Recursive),
            attr_set: options.attr_set,
            attr_clear: options.attr_clear,
            tree_set: options.tree_set,
            tree_clear: options.tree_clear,
            propagation: options.propagation.clone(),
            no_symlinks: entry.no_symlinks(),
            procfs: entry.target == Path::new("/proc"),
            source_nofollow: options.source_nofollow,
            target_nofollow: options.target_nofollow,
            proc_file: entry.is_proc_file(),
        };
        self.push(step, entry.origin.clone());
        Ok(())
    }
}

impl<'a> Entry<'a> {
    fn new(index: usize, mount: &'a Mount, label: Option<&'a str>, cgroup: &Layout) -> Self {
        let options = mount_options::of(mount);
        let fstype = match mount.typ().as_deref() {
            _ if options.bind.is_some() => "bind",
            // Beside v1 hierarchies it is a file system like any other.
            Some("cgroup2") if *cgroup == Layout::V2 => "cgroup",
            Some(fstype) => fstype,
            None => "bind",
        };
        Self { origin: origin(index, mount), target: destination(mount), fstype, options, mount, label }
    }

    /// The label as an option of the mount. The kernel's own file systems have labels of their own, which stay; the queues
    /// of mqueue belong to the IPC namespace, which may be shared, and not to one mount.
    pub fn context(&self) -> Option<String> {
        let own = matches!(self.fstype, "proc" | "sysfs" | "mqueue");
        let given = self.options.data.iter().any(|option| option.starts_with("context="));
        self.label.filter(|_| !own && !given).map(|label| format!("context={label}"))
    }

    /// A bind's path on the host.
    fn source(&self) -> Result<&'a Path, Error> {
        self.mount
            .source()
            .as_deref()
            .ok_or_else(|| Error::invalid(format!("{}.source", self.origin), "a bind mount needs a source"))
    }

    /// The attributes that hold from the start.
    pub fn attr_set(&self) -> u64 {
        let late = if is_late_readonly(self.mount, &self.options) { MOUNT_ATTR_RDONLY } else { 0 };
        self.options.filesystem_attributes() & !late
    }

    /// Nothing that an image brings may redirect /proc or /sys: what is written there later decides over confinement
    /// (CVE-2019-19921, CVE-2023-27561).
    pub fn no_symlinks(&self) -> bool {
        let reserved = ["/proc", "/sys"].iter().any(|p| self.target == Path::new(p));
        reserved || self.is_proc_file()
    }

    /// Whether it covers a file of /proc that may be covered.
    pub fn is_proc_file(&self) -> bool {
        is_proc_file(&self.target)
    }
}

/// The kernel takes parameters that are too long for fsconfig(2) as one string, of a page with its NUL (mount(2)).
fn check_length(parameters: &[String], origin: &str) -> Result<(), Error> {
    const MAX_STRING: usize = 255;
    const MAX_DATA: usize = 4095;
    let length = parameters.iter().map(|parameter| parameter.len() + 1).sum::<usize>().saturating_sub(1);
    if length > MAX_DATA && parameters.iter().any(|parameter| parameter.len() > MAX_STRING) {
        let reason = format!("{length} bytes for the file system, of which the kernel takes {MAX_DATA}");
        return Err(Error::invalid(format!("{origin}.options"), reason));
    }
    Ok(())
}

/// A bind of a directory of the host's, with all below it, from which nothing is to be executed.
pub(super) fn directory_of_data(
    target: CString,
    source: CString,
    attr_set: u64,
    propagation: Vec<u32>,
) -> StepBuf {
    StepBuf::Bind {
        target,
        source,
        recursive: true,
        attr_set: attr_set | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
        attr_clear: 0,
        tree_set: 0,
        tree_clear: 0,
        propagation,
        no_symlinks: false,
        procfs: false,
        source_nofollow: false,
        target_nofollow: false,
        proc_file: false,
    }
}

/// The place of a mount in config.json, for people.
pub(super) fn origin(index: usize, mount: &Mount) -> String {
    format!("mounts[{index}] ({})", Path::new("/").join(mount.destination()).display())
}

const MOUNT_LABEL: &str = "linux.mountLabel";

fn mount_label(spec: &Spec) -> Option<&str> {
    spec.linux().as_ref()?.mount_label().as_deref().filter(|label| !label.is_empty())
}
