//! Where a mount or a device goes, inside the container's root.

use oci_spec::runtime::Mount;
use std::path::{Component, Path, PathBuf};

/// What lxcfs and its like may replace in /proc. Anything else there could fake the files that LSM labels and sysctls
/// are written to (CVE-2019-16884).
const PROC_FILES: [&str; 10] = [
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/slabinfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/sys/crypto/fips_enabled",
    "/proc/sys/kernel/ns_last_pid",
    "/proc/uptime",
];

/// `mounts[].destination`, see [`inside`].
pub fn destination(mount: &Mount) -> PathBuf {
    inside(mount.destination())
}

/// A path inside the container's root without `.` and `..`: what is before a `..` need not exist, as with runc.
pub fn inside(path: &Path) -> PathBuf {
    let mut clean = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => drop(clean.pop()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    clean
}

/// Whether this is a file of /proc that may be covered.
pub fn is_proc_file(destination: &Path) -> bool {
    PROC_FILES.iter().any(|file| destination == Path::new(file))
}

#[cfg(test)]
mod tests {
    use super::*;
    use oci_spec::runtime::MountBuilder;

    fn of(path: &str) -> PathBuf {
        destination(&MountBuilder::default().destination(path).build().unwrap())
    }

    #[test]
    fn dots_are_taken_out() {
        assert_eq!(of("/nope/../real/./x/"), Path::new("/real/x"));
        assert_eq!(of("/../../dev/../proc"), Path::new("/proc"));
        assert_eq!(of("a//b"), Path::new("/a/b"));
        assert_eq!(of("a/.."), Path::new("/"));
    }
}
