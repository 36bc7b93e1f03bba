//! What the plan has to know of the host, gathered once, as data.

use crate::cgroup::Layout;
use crate::config::{Context, HostNamespaces};
use crate::namespaces::{NamespaceType, is_in_user_namespace};
use nix::unistd::{Uid, geteuid};
use oci_spec::runtime::Spec;
use std::path::{Path, PathBuf};

/// The kernel's memory: a kernel may be built without.
pub const KCORE: &str = "/proc/kcore";

/// The host, as far as a plan depends on it.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Which cgroup file systems there are.
    pub cgroup: Layout,
    /// Without root's privileges on the host: another uid, or a user namespace of somebody else.
    pub rootless: bool,
    /// Inside a user namespace that is not the initial one: devices can't be made.
    pub in_user_namespace: bool,
    /// The caller's group.
    pub gid: u32,
    /// setgroups(2) is denied in the caller's own user namespace (user_namespaces(7)).
    pub groups_denied: bool,
    /// newuidmap, where it is needed and installed.
    pub newuidmap: Option<PathBuf>,
    /// newgidmap, where it is needed and installed.
    pub newgidmap: Option<PathBuf>,
    /// There is a /proc/kcore, for containers to have a link to.
    pub kcore: bool,
    /// The capabilities that this process may pass on (its permitted set).
    pub permitted: u64,
}

impl Facts {
    /// Looks at this host. `rootless` is the answer to `--rootless`, None for auto.
    pub fn gather(rootless: Option<bool>, layout: Layout) -> Self {
        let rootless = rootless.unwrap_or_else(|| geteuid() != Uid::from_raw(0));
        let tool = |name| if rootless { find_tool(name) } else { None };
        let in_user_namespace = is_in_user_namespace();
        Self {
            cgroup: layout,
            rootless,
            in_user_namespace,
            gid: nix::unistd::getegid().as_raw(),
            groups_denied: (rootless || in_user_namespace)
                && std::fs::read_to_string("/proc/self/setgroups").is_ok_and(|s| s.trim() == "deny"),
            newuidmap: tool("newuidmap"),
            newgidmap: tool("newgidmap"),
            kcore: Path::new(KCORE).exists(),
            permitted: crate::sys::permitted_capabilities(),
        }
    }
}

impl Facts {
    /// What the checks of a config depend on.
    pub fn config_context(&self) -> Context {
        let has = |path: &str| Path::new(path).exists();
        Context {
            // Root of a user namespace that somebody else has made needs no further one.
            rootless: self.rootless && !geteuid().is_root(),
            apparmor: has("/sys/kernel/security/apparmor"),
            selinux: has("/sys/fs/selinux/enforce"),
            joins_host: HostNamespaces::default(),
        }
    }

    /// What the checks of a whole config depend on. A namespace's path may lead to the runtime's own.
    pub fn context_of(&self, spec: &Spec) -> Context {
        let linux = spec.linux().as_ref();
        let is_empty = |settings: &std::collections::HashMap<_, _>| settings.is_empty();
        let list = match linux.map(|linux| (linux.sysctl(), linux.namespaces())) {
            // Only settings need to know, which few configs have.
            Some((Some(settings), Some(list))) if !is_empty(settings) => list.as_slice(),
            _ => &[],
        };
        let is_own = |kind: NamespaceType| {
            let listed = list.iter().find(|namespace| NamespaceType::from(namespace.typ()) == kind);
            let path = listed.and_then(|namespace| namespace.path().as_deref());
            path.is_some_and(|path| is_our_namespace(kind, path))
        };
        let joins_host = HostNamespaces {
            network: is_own(NamespaceType::Net),
            ipc: is_own(NamespaceType::Ipc),
            uts: is_own(NamespaceType::Uts),
        };
        Context { joins_host, ..self.config_context() }
    }
}

/// Whether a path leads to the namespace that this process is in.
fn is_our_namespace(kind: NamespaceType, path: &Path) -> bool {
    let identity = |path: &Path| nix::sys::stat::stat(path).map(|found| (found.st_dev, found.st_ino));
    let own = Path::new("/proc/self/ns").join(kind.file_name());
    // One that is not there is refused when it is joined.
    identity(path).is_ok_and(|there| identity(&own) == Ok(there))
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
