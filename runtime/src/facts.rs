//! What the plan has to know of the host, gathered once, as data.

use crate::cgroup::Layout;
use nix::unistd::{Uid, geteuid};
use std::path::PathBuf;

/// The host, as far as a plan depends on it.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Which cgroup file systems there are.
    pub cgroup: Layout,
    /// Without root's privileges on the host: another uid, or a user namespace of somebody else.
    pub rootless: bool,
    /// The caller's group.
    pub gid: u32,
    /// newuidmap, where it is needed and installed.
    pub newuidmap: Option<PathBuf>,
    /// newgidmap, where it is needed and installed.
    pub newgidmap: Option<PathBuf>,
    /// The capabilities that this process may pass on (its permitted set).
    pub permitted: u64,
}

impl Facts {
    /// Looks at this host. `rootless` is the answer to `--rootless`, None for auto.
    pub fn gather(rootless: Option<bool>, layout: Layout) -> Self {
        let rootless = rootless.unwrap_or_else(|| geteuid() != Uid::from_raw(0));
        let tool = |name| if rootless { find_tool(name) } else { None };
        Self {
            cgroup: layout,
            rootless,
            gid: nix::unistd::getegid().as_raw(),
            newuidmap: tool("newuidmap"),
            newgidmap: tool("newgidmap"),
            permitted: crate::sys::permitted_capabilities(),
        }
    }
}

impl Facts {
    /// What the checks of a config depend on.
    pub fn config_context(&self) -> crate::config::Context {
        let has = |path: &str| std::path::Path::new(path).exists();
        crate::config::Context {
            rootless: self.rootless,
            apparmor: has("/sys/kernel/security/apparmor"),
            selinux: has("/sys/fs/selinux/enforce"),
        }
    }
}

/// A helper program by name. Callers run us with no PATH at all, so the usual places come after it.
pub fn find_tool(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .filter(|dir| dir.is_absolute())
        .chain(usual)
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
}
