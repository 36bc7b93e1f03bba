//! The plan: a flat, ordered list of typed steps, compiled from the config, the host's facts and the options.
//!
//! Pure: nothing here does I/O. The order of `compile` is the order in which nsexec executes.

mod capabilities;
mod cgroup_mount;
mod devices;
mod error;
mod exec;
mod hooks;
mod mounts;
mod namespaces;
pub mod print;
mod process;
mod root;
mod scheduling;
#[cfg(test)]
mod tests;
mod text;
mod tree;
mod words;

pub use capabilities::CAPABILITIES;
pub use error::Error;
pub use exec::{ExecOptions, compile_exec};
pub use namespaces::Creation;
pub use tree::{IdMap, IdMapNamespace, Tree};

use crate::facts::Facts;
use crate::seccomp::Filter;
use oci_spec::runtime::Spec;
use skeg_proto::NO_FD;
use skeg_proto::step::StepBuf;
use skeg_proto::write::{InitBuf, WriteError};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What nsexec executes, with the place of config.json that each step comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// libcontainer's bootstrap message.
    pub init: InitBuf,
    /// The steps, numbered from 1.
    pub steps: Vec<Planned>,
    /// The file descriptors that the steps name, by number from `first_fd + 2` up, in this order.
    pub fds: Vec<FdRole>,
    /// The first fd that is not the container's: the plan's pipe. The sync socket follows.
    pub first_fd: u32,
    /// How the process gets into its cgroup.
    pub join: CgroupJoin,
    /// Who makes the process.
    pub birth: Birth,
    /// The mounts that the runtime makes.
    pub trees: Vec<Tree>,
    /// The places in config.json of what INIT has joined, in its order.
    pub joins: Vec<String>,
}

/// Who makes the container's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Birth {
    /// The runtime, with these CLONE_NEW* flags: one process less, where nothing has to be joined, mapped or set
    /// before the clone.
    Runtime {
        /// CLONE_NEWPID or nothing: the other namespaces are made by nsexec, beside what the runtime has still to do.
        namespaces: u32,
    },
    /// A first process of nsexec.
    Stage,
}

/// One step and where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// The instruction.
    pub step: StepBuf,
    /// The place in config.json, for people: `mounts[3] (/data)`.
    pub origin: Cow<'static, str>,
}

/// A file descriptor that the runtime hands to nsexec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FdRole {
    /// The cgroup's directory (v2).
    Cgroup,
    /// The exec FIFO, opened for reading and writing.
    Fifo,
    /// The socket that receives the pty's master.
    ConsoleSocket,
    /// A pidfd of the container's init.
    Init,
    /// The file that the hooks which nsexec runs write to.
    HookOutput,
    /// The root of the container's init, where it has no mount namespace of its own.
    Root,
    /// The tree of mounts with this position in `trees`.
    Tree(usize),
}

/// How the process gets into its cgroup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CgroupJoin {
    /// CLONE_INTO_CGROUP: only v2, and only where the first process keeps the host's privileges.
    Clone,
    /// The runtime writes the first process's pid to cgroup.procs before it sends the plan.
    Write,
    /// No cgroup.
    None,
}

/// What `create` and `run` were told beside the config.
#[derive(Clone, Debug)]
pub struct Options {
    /// The container's id.
    pub id: String,
    /// The bundle, absolute.
    pub bundle: PathBuf,
    /// `--no-pivot`.
    pub no_pivot: bool,
    /// `--no-new-keyring`.
    pub no_new_keyring: bool,
    /// fds from 3 up that the program keeps: those of LISTEN_FDS and `--preserve-fds`.
    pub keep_fds: u32,
    /// LISTEN_FDS of the caller, passed on.
    pub listen_fds: u32,
    /// Wait on the exec FIFO: `create`, not `run`.
    pub fifo: bool,
    /// The master goes to a `--console-socket`, not to the runtime.
    pub console_socket: bool,
    /// The host directory of the notify socket, bound to /run/notify.
    pub notify_dir: Option<PathBuf>,
    /// What the symlinks that `copy-symlink` mounts have as their sources say, by the sources' paths.
    pub links: BTreeMap<PathBuf, PathBuf>,
    /// How the cgroup is joined.
    pub join: CgroupJoin,
    /// The container's own cgroup directories, for a cgroup mount without a cgroup namespace.
    pub cgroup_dirs: Vec<(String, PathBuf)>,
}

/// Compiles the plan of a new container.
///
/// Takes a config that has passed `config::check`. Errors name the place in config.json.
pub fn compile(
    spec: &Spec,
    facts: &Facts,
    options: &Options,
    filter: Option<&Filter>,
) -> Result<Plan, Error> {
    let creation = Creation::new(spec, facts)?;
    let mut plan = Builder::new(3 + options.keep_fds, options.join, creation.birth());

    plan.host_limits(spec, &creation)?;
    plan.clone_or_born("linux.namespaces");

    plan.keyring(spec, options, &creation)?;
    plan.network(&creation);
    plan.affinity();
    plan.root(spec, options, &creation)?;
    plan.mounts(spec, facts, options, &creation)?;
    plan.devices(spec, facts, &creation)?;
    plan.console(spec, options);
    plan.hooks_before_pivot(spec, options)?;
    plan.pivot(spec, options, &creation)?;
    plan.reopen_null(&creation);
    plan.working_directory(spec)?;
    plan.late_readonly(spec)?;
    plan.names(spec)?;
    plan.sysctls(spec)?;
    plan.readonly_and_masked(spec)?;
    plan.unbindable(spec, &creation)?;
    plan.umask(spec);
    plan.environment(spec, options)?;
    plan.program(spec)?;
    let linux = spec.linux().as_ref();
    let policy = linux.and_then(|linux| linux.memory_policy().as_ref());
    plan.personality(linux.and_then(|linux| linux.personality().as_ref()), policy);
    plan.scheduling(process::process(spec)?);
    // A listener has to get its end while the runtime is there to hand it over: that of `create` ends at READY.
    let early = filter.is_some_and(|filter| filter.listener);
    if early {
        plan.become_the_process(spec, facts, filter, &creation)?;
    }
    let fifo = if options.fifo { plan.fd(FdRole::Fifo) } else { NO_FD };
    plan.push(StepBuf::Ready { fifo }, "start");

    if !early {
        plan.become_the_process(spec, facts, filter, &creation)?;
    }
    // Confined as the program is: what a hook's path leads to is the image's.
    plan.start_container_hooks(spec, options)?;
    plan.exec(options.keep_fds);
    Ok(Plan { joins: creation.places(spec), ..plan.finish(creation.init(spec, facts)?) })
}

/// A plan being made.
struct Builder {
    steps: Vec<Planned>,
    fds: Vec<FdRole>,
    first_fd: u32,
    join: CgroupJoin,
    birth: Birth,
    trees: Vec<Tree>,
}

impl Builder {
    fn new(first_fd: u32, join: CgroupJoin, birth: Birth) -> Self {
        Self { steps: Vec::with_capacity(96), fds: Vec::new(), first_fd, join, birth, trees: Vec::new() }
    }

    fn push(&mut self, step: StepBuf, origin: impl Into<Cow<'static, str>>) {
        self.steps.push(Planned { step, origin: origin.into() });
    }

    /// The number of the fd with this role.
    fn fd(&mut self, role: FdRole) -> u32 {
        let index = self.fds.iter().position(|r| *r == role).unwrap_or_else(|| {
            self.fds.push(role);
            self.fds.len() - 1
        });
        // The plan's pipe and the sync socket come first.
        self.first_fd + 2 + index as u32
    }

    fn clone_or_born(&mut self, origin: &'static str) {
        if let Birth::Runtime { .. } = self.birth {
            return self.push(StepBuf::Born {}, origin);
        }
        if self.join == CgroupJoin::Clone {
            let fd = self.fd(FdRole::Cgroup);
            self.push(StepBuf::Cgroup { fd }, "linux.cgroupsPath");
        }
        self.push(StepBuf::Clone {}, origin);
    }

    fn exec(&mut self, keep_fds: u32) {
        self.push(StepBuf::Exec { keep_fds: 3 + keep_fds }, "process.args");
    }

    fn finish(mut self, init: InitBuf) -> Plan {
        if !self.fds.is_empty() {
            let step = StepBuf::Fds { first: self.first_fd + 2, count: self.fds.len() as u32 };
            // Before every step that uses one.
            self.steps.insert(0, Planned { step, origin: "skeg".into() });
        }
        let Self { steps, fds, first_fd, join, birth, trees } = self;
        Plan { init, steps, fds, first_fd, join, birth, trees, joins: Vec::new() }
    }
}

impl Plan {
    /// The message stream that nsexec reads.
    pub fn bytes(&self) -> Result<Vec<u8>, WriteError> {
        skeg_proto::write::stream(&self.init, self.steps.iter().map(|p| &p.step))
    }

    /// Whether the master of a pty comes to the runtime, which gives it a size before the program may look.
    pub fn has_foreground_console(&self) -> bool {
        self.steps.iter().any(|planned| matches!(planned.step, StepBuf::Console { socket: NO_FD, .. }))
    }

    /// Whether a file system of a device of the host may be mounted, which device rules would not allow.
    pub fn mounts_devices(&self) -> bool {
        let is_path = |source: &std::ffi::CStr| source.to_bytes().starts_with(b"/");
        self.steps
            .iter()
            .any(|planned| matches!(&planned.step, StepBuf::Filesystem { source, .. } if is_path(source)))
    }

    /// Whether a seccomp listener comes to the runtime.
    pub fn has_listener(&self) -> bool {
        let listens = |flags: u16| u32::from(flags) & crate::seccomp::FLAG_NEW_LISTENER != 0;
        self.steps
            .iter()
            .any(|planned| matches!(planned.step, StepBuf::Seccomp { flags, .. } if listens(flags)))
    }

    /// The step with this number.
    pub fn step(&self, number: u32) -> Option<&Planned> {
        self.steps.get(usize::try_from(number).ok()?.checked_sub(1)?)
    }

    /// The origins, by number, of the steps that wait for `start`.
    pub fn origins_after_ready(&self) -> BTreeMap<u32, String> {
        let steps = (1..).zip(&self.steps);
        let start = steps.skip_while(|(_, planned)| !matches!(planned.step, StepBuf::Ready { .. }));
        start.map(|(number, planned)| (number, planned.origin.to_string())).collect()
    }
}
