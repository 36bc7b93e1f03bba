//! The root file system of the containers: the probe and busybox.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::{fs, process};

use crate::host;

/// The applets of busybox that the tests use.
const APPLETS: [&str; 12] =
    ["sh", "true", "false", "echo", "cat", "ls", "id", "sleep", "mount", "env", "ps", "mkdir"];

/// The probe and busybox, as hard links, so that a root costs no copying.
pub fn make(root: &Path) {
    for directory in ["bin", "etc", "tmp"] {
        fs::create_dir_all(root.join(directory)).expect("a root filesystem");
    }
    fs::set_permissions(root.join("tmp"), fs::Permissions::from_mode(0o1777)).expect("chmod");
    link_or_copy(&host::probe(), &root.join("probe"));
    link_or_copy(busybox(), &root.join("bin/busybox"));
    for applet in APPLETS {
        symlink("busybox", root.join("bin").join(applet)).expect("symlink");
    }
}

fn link_or_copy(from: &Path, to: &Path) {
    if fs::hard_link(from, to).is_err() {
        fs::copy(from, to).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    }
}

/// A copy of the host's busybox beside the probe: a link to the host's own would let a container change it.
fn busybox() -> &'static Path {
    static COPY: OnceLock<PathBuf> = OnceLock::new();
    COPY.get_or_init(|| {
        let copy = host::probe().with_file_name("busybox");
        if !copy.exists() {
            // Other test programs may be at it as well.
            let fresh = copy.with_extension(process::id().to_string());
            fs::copy("/bin/busybox", &fresh).expect("busybox-static is installed");
            fs::rename(&fresh, &copy).expect("rename");
        }
        copy
    })
}
