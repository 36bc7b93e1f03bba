//! Which cgroup file systems this host has, told by statfs(2) of the conventional places. No mount table is
//! read: its length is that of all containers together.

use super::error::{Error, Result};
use nix::sys::statfs::{CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, FsType, statfs};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// Where every distribution mounts cgroup file systems (cgroups(7), file-hierarchy(7)).
pub const ROOT: &str = "/sys/fs/cgroup";

/// The v1 controllers that a container gets a cgroup in. Named hierarchies other than systemd's belong to others.
pub(super) const V1: [&str; 14] = [
    "cpuset",
    "devices",
    "memory",
    "cpu",
    "cpuacct",
    "pids",
    "blkio",
    "hugetlb",
    "net_cls",
    "net_prio",
    "perf_event",
    "freezer",
    "rdma",
    "misc",
];

/// systemd's own v1 hierarchy: it has no controller, but pid 1 tracks services by it.
const SYSTEMD: &str = "name=systemd";

/// The cgroup file systems of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layout {
    /// cgroup2 at [`ROOT`].
    V2,
    /// A v1 mount for each controller below [`ROOT`]: controller name to mount point.
    V1(BTreeMap<String, PathBuf>),
    /// As `V1`, and cgroup2 beside them, with whatever controllers v1 left.
    Hybrid {
        /// Controller name to mount point.
        v1: BTreeMap<String, PathBuf>,
        /// The mount point of cgroup2.
        unified: PathBuf,
    },
    /// No cgroup file system. Containers without limits can run.
    None,
}

impl Layout {
    /// Looks at the host, and at the caller's own cgroup: on a v2 host only for a `linux.cgroupsPath` that is relative
    /// to it, or absent.
    pub fn detect(cgroups_path: Option<&Path>) -> Result<(Self, OwnCgroup)> {
        let is_v2 = is(Path::new(ROOT), CGROUP2_SUPER_MAGIC);
        if is_v2 && cgroups_path.is_some_and(Path::is_absolute) {
            return Ok((Self::V2, OwnCgroup::default()));
        }
        let own = OwnCgroup::read()?;
        Ok((if is_v2 { Self::V2 } else { Self::v1(&own) }, own))
    }

    /// `own` names the controllers that are bound to v1.
    fn v1(own: &OwnCgroup) -> Self {
        let root = Path::new(ROOT);
        let v1: BTreeMap<_, _> = own
            .v1_names()
            .filter_map(|(name, group)| Some((name.to_owned(), v1_mount(name, group)?)))
            .collect();
        let unified = ["unified", "systemd"].map(|name| root.join(name));
        match unified.into_iter().find(|dir| is(dir, CGROUP2_SUPER_MAGIC)) {
            Some(unified) => Self::Hybrid { v1, unified },
            None if v1.is_empty() => Self::None,
            None => Self::V1(v1),
        }
    }
}

fn is(path: &Path, magic: FsType) -> bool {
    statfs(path).is_ok_and(|st| st.filesystem_type() == magic)
}

/// The mount point of a controller: named after all controllers of the hierarchy, or after this one, which may
/// then be a symlink to the other (`cpu -> cpu,cpuacct`).
fn v1_mount(name: &str, group: &str) -> Option<PathBuf> {
    let root = Path::new(ROOT);
    let joined = root.join(group.trim_start_matches("name="));
    if is(&joined, CGROUP_SUPER_MAGIC) {
        return Some(joined);
    }
    let single = fs::canonicalize(root.join(name)).ok()?;
    (single.parent() == Some(root) && is(&single, CGROUP_SUPER_MAGIC)).then_some(single)
}

/// A process's cgroup in each hierarchy: /proc/PID/cgroup, see cgroups(7).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnCgroup {
    /// Comma-separated controllers ("" for cgroup2) and the path.
    lines: Vec<(String, PathBuf)>,
}

impl OwnCgroup {
    /// Reads /proc/self/cgroup. A kernel without cgroups has no such file, and the caller no cgroup.
    pub fn read() -> Result<Self> {
        match Self::read_file(Path::new("/proc/self/cgroup")) {
            Err(e) if e.errno() == Some(nix::errno::Errno::ENOENT) => Ok(Self::default()),
            result => result,
        }
    }

    /// Reads the cgroup of another process.
    pub fn of(pid: nix::unistd::Pid) -> Result<Self> {
        Self::read_file(&PathBuf::from(format!("/proc/{pid}/cgroup")))
    }

    fn read_file(path: &Path) -> Result<Self> {
        match fs::read_to_string(path) {
            Ok(text) => Ok(Self::parse(&text)),
            Err(e) => Err(Error::io("read", path, crate::errno::of(&e))),
        }
    }

    /// Parses lines of the form `hierarchy-ID:controller-list:cgroup-path`. Lines of any other form are left out.
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().filter_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            Some((fields.next()?.to_owned(), inside(Path::new(fields.next()?))))
        });
        Self { lines: lines.collect() }
    }

    /// The path in the hierarchy of `controller` ("" for cgroup2), absolute from the hierarchy's root.
    pub fn path(&self, controller: &str) -> Option<&Path> {
        let line = self.lines.iter().find(|(group, _)| group.split(',').any(|name| name == controller));
        line.map(|(_, path)| path.as_path())
    }

    /// The v1 controllers that containers use, each with the controller list of its hierarchy.
    fn v1_names(&self) -> impl Iterator<Item = (&str, &str)> {
        self.lines
            .iter()
            .flat_map(|(group, _)| group.split(',').map(move |name| (name, group.as_str())))
            .filter(|(name, _)| *name == SYSTEMD || V1.contains(name))
    }

    /// Cuts off what the mounts don't show. In a container without a cgroup namespace the mounts begin at the
    /// container's cgroup, while /proc/self/cgroup counts from the host's root. Only the mount table knows, so this
    /// is for callers that found that their own cgroup isn't where it should be.
    pub fn rebase(&mut self, mountinfo: &str) {
        for (group, path) in &mut self.lines {
            let root = mountinfo.lines().find_map(|line| cgroup_mount_root(line, group));
            if let Some(rest) = root.and_then(|root| path.strip_prefix(root).ok().map(Path::to_path_buf)) {
                *path = Path::new("/").join(rest);
            }
        }
    }
}

/// The root field of a line of proc_pid_mountinfo(5), if it is the mount of the hierarchy `group`.
fn cgroup_mount_root<'a>(line: &'a str, group: &str) -> Option<&'a str> {
    let (mount, fs) = line.split_once(" - ")?;
    let mut mount = mount.split(' ').skip(3);
    let (root, point) = (mount.next()?, mount.next()?);
    let mut fs = fs.split(' ');
    let (kind, options) = (fs.next()?, fs.nth(1)?);
    let matches = match kind {
        "cgroup2" => group.is_empty(),
        "cgroup" => !group.is_empty() && group.split(',').all(|name| options.split(',').any(|o| o == name)),
        _ => false,
    };
    (matches && point.starts_with(ROOT)).then_some(root)
}

/// A process outside its cgroup namespace's root sees `/../..`; the mount shows nothing above its root.
fn inside(path: &Path) -> PathBuf {
    let names = path.components().filter(|c| matches!(c, Component::Normal(_)));
    Path::new("/").join(names.collect::<PathBuf>())
}
