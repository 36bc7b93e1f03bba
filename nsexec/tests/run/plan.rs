//! Plans for tests: a root file system with busybox, and the steps that most of them need.

use skeg_proto::NO_FD;
use skeg_proto::step::StepBuf;
use skeg_proto::write::{InitBuf, stream};
use std::ffi::CString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use tempfile::TempDir;

/// MS_REC | MS_SLAVE.
pub const RSLAVE: u32 = 1 << 14 | 1 << 19;
/// CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET.
pub const NAMESPACES: u32 = 0x2_0000 | 0x2000_0000 | 0x400_0000 | 0x800_0000 | 0x4000_0000;
/// The bit of CAP_DAC_OVERRIDE.
pub const DAC_OVERRIDE: u64 = 1 << 1;
/// CLONE_NEWPID.
pub const NEWPID: u32 = 0x2000_0000;
/// CLONE_NEWUSER.
pub const NEWUSER: u32 = 0x1000_0000;
/// CLONE_NEWTIME.
pub const NEWTIME: u32 = 0x80;
/// The capabilities of a container that keeps its default ones.
const DEFAULT: u64 = 0xa804_25fb;

/// A string of the wire.
pub fn c(text: impl AsRef<str>) -> CString {
    CString::new(text.as_ref()).unwrap()
}

/// Strings of the wire.
pub fn list(texts: &[&str]) -> Vec<CString> {
    texts.iter().map(c).collect()
}

/// A plan, put together in its three parts.
pub struct Plan {
    /// The bootstrap message.
    pub init: InitBuf,
    /// Before the clone.
    pub host: Vec<StepBuf>,
    /// Clone or Born.
    pub begin: StepBuf,
    /// Before READY.
    pub setup: Vec<StepBuf>,
    /// After READY.
    pub start: Vec<StepBuf>,
    /// What READY waits on.
    pub fifo: u32,
    /// The rootfs.
    pub root: TempDir,
}

impl Plan {
    /// A container in new namespaces that runs this command as root.
    pub fn new(args: &[&str]) -> Self {
        let root = rootfs();
        let init = InitBuf { clone_flags: NAMESPACES, ..InitBuf::default() };
        let setup = vec![
            StepBuf::Propagation { flags: RSLAVE },
            StepBuf::PrivateParent { path: path(root.path()) },
            StepBuf::Root { path: path(root.path()) },
            StepBuf::Argv { args: list(args), flags: 0 },
            StepBuf::Env { vars: list(&["PATH=/bin"]), flags: 0 },
            StepBuf::Candidates { paths: list(&[&format!("/bin/{}", args[0])]), flags: 0 },
            filesystem("/proc", "proc", &[]),
        ];
        let start = vec![credentials(0), StepBuf::Exec { keep_fds: 3 }];
        Self { init, host: Vec::new(), begin: StepBuf::Clone {}, setup, start, fifo: NO_FD, root }
    }

    /// Adds a step before READY.
    pub fn with(mut self, step: StepBuf) -> Self {
        self.setup.push(step);
        self
    }

    /// Adds pivot_root and the search for the program.
    pub fn pivot(self) -> Self {
        self.with(StepBuf::Pivot {}).with(program(0))
    }

    /// In the process that reads it.
    pub fn born(mut self) -> Self {
        self.begin = StepBuf::Born {};
        self
    }

    /// Adds CLONE_NEW* flags.
    pub fn in_new(mut self, flags: u32) -> Self {
        self.init.clone_flags |= flags;
        self
    }

    /// Puts steps before those after READY.
    pub fn before_exec(mut self, step: StepBuf) -> Self {
        let at = self.start.len() - 1;
        self.start.insert(at, step);
        self
    }

    /// The stream.
    pub fn bytes(&self) -> Vec<u8> {
        let ready = StepBuf::Ready { fifo: self.fifo };
        let steps = self.host.iter().chain([&self.begin]).chain(&self.setup);
        stream(&self.init, steps.chain([&ready]).chain(&self.start)).unwrap()
    }

    /// Runs it.
    pub fn run(&self) -> crate::harness::Outcome {
        crate::harness::run(&self.bytes(), &[])
    }

    /// A path in the rootfs.
    pub fn path(&self, below: &str) -> std::path::PathBuf {
        self.root.path().join(below)
    }
}

/// A file system without a source.
pub fn filesystem(target: &str, fstype: &str, options: &[&str]) -> StepBuf {
    StepBuf::Filesystem {
        target: c(target),
        fstype: c(fstype),
        source: c(fstype),
        options: list(options),
        attr_set: 0,
        propagation: Vec::new(),
        no_symlinks: false,
        keep_mode: false,
        target_nofollow: false,
    }
}

/// A bind of a host path.
pub fn bind(source: &Path, target: &str) -> StepBuf {
    StepBuf::Bind {
        target: c(target),
        source: path(source),
        recursive: true,
        attr_set: 0,
        attr_clear: 0,
        tree_set: 0,
        tree_clear: 0,
        propagation: Vec::new(),
        no_symlinks: false,
        procfs: false,
        source_nofollow: false,
        target_nofollow: false,
        proc_file: false,
    }
}

/// The usual capabilities, as this user and group.
pub fn credentials(id: u32) -> StepBuf {
    StepBuf::Credentials {
        uid: id,
        gid: id,
        setgroups: true,
        bounding: DEFAULT,
        permitted: DEFAULT,
        effective: DEFAULT,
        inheritable: 0,
        ambient: 0,
    }
}

/// The search for the program, as this user without capabilities; root has those over files.
pub fn program(id: u32) -> StepBuf {
    program_with(id, if id == 0 { DAC_OVERRIDE } else { 0 })
}

/// The same with these effective capabilities.
pub fn program_with(id: u32, effective: u64) -> StepBuf {
    StepBuf::Program { uid: id, gid: id, effective, name: c("") }
}

/// A path as the wire has it.
pub fn path(path: &Path) -> CString {
    c(path.to_str().unwrap())
}

fn rootfs() -> TempDir {
    let root = tempfile::Builder::new().prefix("nsexec").tempdir().unwrap();
    fs::set_permissions(root.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    for directory in ["bin", "etc", "proc", "tmp", "dev"] {
        fs::create_dir(root.path().join(directory)).unwrap();
    }
    fs::copy("/bin/busybox", root.path().join("bin/busybox")).expect("busybox-static is installed");
    for applet in [
        "sh", "true", "false", "hostname", "cat", "id", "ls", "mount", "stat", "echo", "pwd", "env", "grep",
        "wc", "sleep", "tty", "stty", "uname", "ip", "sed",
    ] {
        symlink("busybox", root.path().join("bin").join(applet)).unwrap();
    }
    root
}
