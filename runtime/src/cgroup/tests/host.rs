//! What the live tests share: the two views of this machine, cgroups that don't outlive a test, and processes to
//! put into them.

use crate::cgroup::{self, Cgroup, Layout, Paths};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::Pid;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Whether the test can run; if not, says so.
pub(super) fn is_root(what: &str) -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        eprintln!("skipped: {what} needs root");
    }
    root
}

/// Runs `test` where cgroup2 is mounted on /sys/fs/cgroup.
pub(super) fn on_v2(test: impl FnOnce() + Send + 'static) {
    if !is_root("mount(2)") {
        return;
    }
    let thread = std::thread::spawn(|| {
        // unshare(2): a mount namespace of its own gives a thread its own root and working directory too.
        unshare(CloneFlags::CLONE_NEWNS).expect("unshare");
        let none = None::<&str>;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).expect("private");
        mount(Some("none"), "/sys/fs/cgroup", Some("cgroup2"), MsFlags::empty(), none).expect("cgroup2");
        test();
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// Whether this machine has v1 hierarchies.
pub(super) fn has_v1() -> bool {
    let (layout, _) = Layout::detect(None).expect("own cgroup");
    let v1 = matches!(layout, Layout::V1(_) | Layout::Hybrid { .. });
    if !v1 {
        eprintln!("skipped: no v1 hierarchies here");
    }
    v1 && is_root("mkdir(2) in cgroupfs")
}

/// Where a container's cgroup is on this machine.
pub(super) fn located(cgroups_path: Option<&Path>, id: &str) -> Paths {
    let (layout, own) = Layout::detect(cgroups_path).expect("own cgroup");
    cgroup::locate_here(&layout, cgroups_path, id, own).expect("located")
}

/// A cgroup path of one test of one process.
pub(super) fn unique(name: &str) -> PathBuf {
    PathBuf::from(format!("/skeg-test-{}-{name}", std::process::id()))
}

/// Removes what a failed test leaves.
pub(super) struct Scratch {
    pub(super) paths: Paths,
}

impl Scratch {
    pub(super) fn new(name: &str) -> Self {
        let paths = located(Some(&unique(name)), "unused");
        assert!(!paths.is_empty());
        Self { paths }
    }

    pub(super) fn cgroup(&self) -> Cgroup {
        Cgroup::new(self.paths.clone())
    }

    pub(super) fn exists(&self) -> Vec<&PathBuf> {
        self.paths.dirs.values().filter(|dir| dir.exists()).collect()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let cgroup = Cgroup::new(Paths { found: Default::default(), ..self.paths.clone() });
        for result in [cgroup.kill_all(), cgroup.remove()] {
            if let Err(e) = result {
                eprintln!("{e}");
            }
        }
    }
}

/// A process that waits for a line on its standard input, then runs `script`.
pub(super) struct Waiting(Child);

impl Waiting {
    pub(super) fn new(script: &str) -> Self {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &format!("read go; {script}")]).stdin(Stdio::piped()).stderr(Stdio::null());
        Self(command.spawn().expect("sh"))
    }

    pub(super) fn pid(&self) -> Pid {
        Pid::from_raw(self.0.id().try_into().expect("pid"))
    }

    /// Lets it go, and tells whether its script succeeds.
    pub(super) fn succeeds(mut self) -> bool {
        self.0.stdin.take().expect("stdin").write_all(b"\n").expect("write");
        self.0.wait().expect("wait").success()
    }

    /// The signal that ended it.
    pub(super) fn signal(&mut self) -> Option<i32> {
        use std::os::unix::process::ExitStatusExt;
        self.0.wait().expect("wait").signal()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // ESRCH-like failures only: it has already been waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(super) fn read(dir: &Path, file: &str) -> String {
    std::fs::read_to_string(dir.join(file)).unwrap_or_else(|e| panic!("{file}: {e}")).trim().to_owned()
}
