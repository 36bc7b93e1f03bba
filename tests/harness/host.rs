//! What the tests need to know of the machine and of the runtime under test.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::{env, fs};

/// Who wrote the runtime under test.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Maker {
    /// Ours.
    Skeg,
    /// runc, against which the tests are held.
    Runc,
    /// Any other with the same command line.
    Other,
}

/// The runtime under test.
pub fn runtime() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| match env::var_os("SKEG_TEST_RUNTIME") {
        Some(path) => path.into(),
        None => workspace().join("target/release/skeg"),
    })
}

/// Who wrote the runtime under test, by its `--version`.
pub fn maker() -> Maker {
    match first_line().split(' ').next() {
        Some("skeg") => Maker::Skeg,
        Some("runc") => Maker::Runc,
        _ => Maker::Other,
    }
}

/// The version of the runtime under test: the numbers of `runc version 1.1.5+ds1`.
pub fn version() -> Vec<u32> {
    numbers(first_line().rsplit(' ').next().unwrap_or_default())
}

/// The numbers of a version, up to the first part that is none.
pub(crate) fn numbers(version: &str) -> Vec<u32> {
    version.split(['.', '+', '-']).map_while(|part| part.parse().ok()).collect()
}

/// The first line of the runtime's `--version`.
fn first_line() -> &'static str {
    static LINE: OnceLock<String> = OnceLock::new();
    LINE.get_or_init(|| {
        let output = Command::new(runtime()).arg("--version").output();
        let output = output.unwrap_or_else(|error| panic!("{}: {error}", runtime().display()));
        String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned()
    })
}

/// The root of the source tree.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ has a parent")
}

/// The probe, which cargo builds beside the test programs' directory.
pub fn probe() -> PathBuf {
    let this = env::current_exe().expect("/proc is mounted");
    let directory = this.ancestors().nth(2).expect("target/PROFILE/deps/NAME");
    directory.join("probe")
}

/// Whether the tests run as root.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Whether the controllers are on cgroup v1 (hybrid or not).
pub fn has_cgroup_v1() -> bool {
    Path::new("/sys/fs/cgroup/memory/cgroup.procs").exists()
}

/// Below which directories a container's cgroups may be.
pub fn cgroup_hierarchies() -> Vec<PathBuf> {
    if !has_cgroup_v1() {
        return vec!["/sys/fs/cgroup".into()];
    }
    let entries = fs::read_dir("/sys/fs/cgroup").expect("/sys/fs/cgroup");
    entries.flatten().map(|entry| entry.path()).filter(|path| path.join("cgroup.procs").exists()).collect()
}

/// Runs `test` where cgroup v2 is all there is, as on a host that has nothing else.
pub fn on_cgroup_v2(test: impl FnOnce() + Send + 'static) {
    let name = std::thread::current().name().unwrap_or("?").to_owned();
    let thread = std::thread::Builder::new().name(name).spawn(|| {
        crate::sys::see_cgroup2_alone().expect("cgroup2");
        test();
    });
    if let Err(panic) = thread.expect("a thread").join() {
        std::panic::resume_unwind(panic);
    }
}

/// Says that a test did not run, in the form that scripts/test counts.
pub fn note_skip(test: &str, reason: &str) {
    println!("SKIP {test}: {reason}");
}

/// Ends the test as skipped.
#[macro_export]
macro_rules! skip {
    ($($reason:tt)+) => {{
        let thread = std::thread::current();
        $crate::host::note_skip(thread.name().unwrap_or("?"), &format!($($reason)+));
        return;
    }};
}

/// Skips the test unless it runs as root.
#[macro_export]
macro_rules! need_root {
    () => {
        if !$crate::host::is_root() {
            $crate::skip!("needs root");
        }
    };
}

/// Skips a test of what only skeg has.
#[macro_export]
macro_rules! only_skeg {
    () => {
        if $crate::host::maker() != $crate::host::Maker::Skeg {
            $crate::skip!("only skeg has this");
        }
    };
}

/// Skips the test where runc is known to do otherwise: peers.txt has the reason.
#[macro_export]
macro_rules! not_runc {
    () => {
        if let Some(limit) = $crate::peers::limit(std::thread::current().name().unwrap_or("?")) {
            $crate::skip!("{limit}");
        }
    };
}

/// Owner, group and mode of a file.
pub fn owner(meta: &fs::Metadata) -> (u32, u32, u32) {
    use std::os::unix::fs::MetadataExt;
    (meta.uid(), meta.gid(), meta.mode())
}
