//! /dev: the devices that every container has, those of the config, and the links beside them.

use super::text::c_string;
use super::{Builder, Creation, Error, FdRole, Options, capabilities};
use crate::config::{destination, inside, mount_options};
use crate::facts::{Facts, KCORE};
use crate::namespaces::NamespaceType;
use nix::libc::{S_IFBLK, S_IFCHR, S_IFIFO, S_IFMT};
use oci_spec::runtime::{Capability, LinuxDevice, LinuxDeviceType, Spec};
use skeg_proto::NO_FD;
use skeg_proto::step::StepBuf;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The devices that every container has (config-linux.md, "Default Devices"): name, major, minor.
const DEFAULT_DEVICES: [(&str, u32, u32); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];

/// The links that every container with a /proc has (config-linux.md, "/dev symbolic links").
const PROC_LINKS: [(&str, &str); 5] = [
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
    ("/dev/core", KCORE),
];

/// The multiplexer of the container's own terminals.
const PTMX: &str = "/dev/ptmx";

impl Builder {
    /// Default and configured devices, and the links. A /dev bound from the host has its own.
    pub(super) fn devices(&mut self, spec: &Spec, facts: &Facts, creation: &Creation) -> Result<(), Error> {
        // mknod(2) of a device is refused in a user namespace and without the capability: the host's node is bound.
        let bound = facts.in_user_namespace
            || creation.is_own(NamespaceType::User)
            || !capabilities::has(facts.permitted, Capability::Mknod);
        let configured = spec.linux().as_ref().and_then(|l| l.devices().as_deref()).unwrap_or_default();
        // Without a mount namespace of its own, /dev is a directory of somebody else's.
        if is_bound(spec, "/dev") || !creation.is_own(NamespaceType::Mount) {
            return Ok(());
        }
        let configured = nodes(configured)?;
        for (name, major, minor) in DEFAULT_DEVICES {
            let path = Path::new("/dev").join(name);
            // A device of the config at the same place wins.
            if configured.iter().any(|(node, _)| node.path == path) {
                continue;
            }
            let node = Node { path, mode: S_IFCHR | 0o666, major, minor, uid: 0, gid: 0 };
            self.device(node, "linux.devices (default)".to_owned(), bound)?;
        }
        for (node, origin) in configured {
            // It is a link into the container's own devpts.
            if node.path != Path::new(PTMX) {
                self.device(node, origin, bound)?;
            }
        }
        self.links(spec, facts)
    }

    fn device(&mut self, node: Node, origin: String, bound: bool) -> Result<(), Error> {
        let path = c_string(&node.path, &origin)?;
        let Node { mode, major, minor, uid, gid, .. } = node;
        let kind = mode & S_IFMT;
        let step = if bound && kind != S_IFIFO {
            StepBuf::HostDevice { path, mode: kind, major, minor }
        } else {
            StepBuf::Device { path, mode, major, minor, uid, gid }
        };
        self.push(step, origin);
        Ok(())
    }

    fn links(&mut self, spec: &Spec, facts: &Facts) -> Result<(), Error> {
        let has_proc = spec.mounts().iter().flatten().any(|m| destination(m) == Path::new("/proc"));
        let exists = |target: &str| has_proc && (facts.kcore || target != KCORE);
        let links = PROC_LINKS.iter().filter(|(_, target)| exists(target)).chain(&[(PTMX, "pts/ptmx")]);
        for (path, target) in links {
            let step = StepBuf::Symlink {
                path: c_string(path, path)?,
                target: c_string(target, path)?,
                exact: false,
                // An image's own would be a multiplexer of the host's terminals, or anything else.
                replace: *path == PTMX,
            };
            self.push(step, "linux.devices (default links)");
        }
        Ok(())
    }

    /// A pseudo-terminal as the process's console.
    pub(super) fn console(&mut self, spec: &Spec, options: &Options) {
        let Some(process) = spec.process() else { return };
        if !process.terminal().unwrap_or(false) {
            return;
        }
        let socket = if options.console_socket { self.fd(FdRole::ConsoleSocket) } else { NO_FD };
        let (rows, columns) = console_size(process.console_size());
        self.push(StepBuf::Console { socket, rows, columns, mount: true }, "process.terminal");
    }
}

/// Rows and columns of `process.consoleSize`; 0: not said.
pub(super) fn console_size(size: Option<oci_spec::runtime::Box>) -> (u32, u32) {
    let fit = |n: u64| u32::try_from(n.min(u64::from(u16::MAX))).unwrap_or(0);
    size.map_or((0, 0), |size| (fit(size.height()), fit(size.width())))
}

/// A device node to make.
struct Node {
    path: PathBuf,
    mode: u32,
    major: u32,
    minor: u32,
    uid: u32,
    gid: u32,
}

impl Node {
    fn new(device: &LinuxDevice, origin: &str) -> Result<Self, Error> {
        let kind = match device.typ() {
            LinuxDeviceType::B => S_IFBLK,
            LinuxDeviceType::C | LinuxDeviceType::U => S_IFCHR,
            LinuxDeviceType::P => S_IFIFO,
            LinuxDeviceType::A => {
                return Err(Error::invalid(format!("{origin}.type"), "a device is one of c, b, u, p"));
            }
        };
        let number = |value: i64, name: &str| {
            u32::try_from(value).map_err(|_| {
                Error::invalid(format!("{origin}.{name}"), format!("{value} is no device number"))
            })
        };
        let path = inside(device.path());
        if path.file_name().is_none() {
            return Err(Error::invalid(format!("{origin}.path"), "names no file"));
        }
        // The kernel keeps none with a FIFO.
        let (major, minor) = match kind {
            S_IFIFO => (0, 0),
            _ => (number(device.major(), "major")?, number(device.minor(), "minor")?),
        };
        Ok(Self {
            path,
            mode: kind | (device.file_mode().unwrap_or(0o666) & 0o7777),
            major,
            minor,
            uid: device.uid().unwrap_or(0),
            gid: device.gid().unwrap_or(0),
        })
    }
}

/// The devices of the config, with their places in it. One that is there twice is one and the same.
fn nodes(configured: &[LinuxDevice]) -> Result<Vec<(Node, String)>, Error> {
    let mut kinds = HashMap::new();
    let mut nodes = Vec::with_capacity(configured.len());
    for (index, device) in configured.iter().enumerate() {
        let origin = format!("linux.devices[{index}] ({})", device.path().display());
        let node = Node::new(device, &origin)?;
        let kind = (node.mode & S_IFMT, node.major, node.minor);
        if *kinds.entry(node.path.clone()).or_insert(kind) != kind {
            return Err(Error::invalid(origin, "is there twice, as two different devices"));
        }
        nodes.push((node, origin));
    }
    Ok(nodes)
}

/// Whether the config binds a host directory at this place.
fn is_bound(spec: &Spec, place: &str) -> bool {
    spec.mounts()
        .iter()
        .flatten()
        .any(|mount| mount_options::of(mount).bind.is_some() && destination(mount) == Path::new(place))
}
