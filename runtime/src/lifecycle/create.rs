//! `create`, and the first half of `run`: from a bundle to a container that waits for `start`.

use super::cleanup::Rollback;
use super::fds::Kept;
use super::foreground;
use super::inspect::hook_state;
use super::{Error, connect_console, filter, listener, pid_file, pidfd_socket, stdio};
use crate::cgroup::{self, Cgroup, Layout};
use crate::config::{self, mount_options::COPY_SYMLINK};
use crate::container::state::timestamp;
use crate::container::{Directory, Id, Identity, State, Status, Store};
use crate::facts::Facts;
use crate::hooks;
use crate::launch::{self, Stage, write_maps};
use crate::namespaces::NamespaceType;
use crate::network;
use crate::notify::NotifySocket;
use crate::plan::{self, Birth, CgroupJoin, Creation, FdRole, Plan};
use crate::resctrl;
use nix::fcntl::OFlag;
use nix::unistd::Pid;
use oci_spec::runtime::{Hook, LinuxIntelRdt, LinuxMemory, Spec};
use skeg_proto::step::StepBuf;
use skeg_proto::sync::{ToNsexec, ToRuntime};
use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// What `create` and `run` were asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// The container's id.
    pub id: Id,
    /// The bundle.
    pub bundle: PathBuf,
    /// `--console-socket`.
    pub console_socket: Option<PathBuf>,
    /// `--pidfd-socket`.
    pub pidfd_socket: Option<PathBuf>,
    /// `--pid-file`, absolute.
    pub pid_file: Option<PathBuf>,
    /// `--no-pivot`.
    pub no_pivot: bool,
    /// `--no-new-keyring`.
    pub no_new_keyring: bool,
    /// `--preserve-fds`.
    pub preserve_fds: u32,
    /// `--rootless`; None: auto.
    pub rootless: Option<bool>,
    /// The caller leaves before the container ends: `create`, `run --detach`.
    pub detach: bool,
    /// The process waits for `start`: `create`.
    pub wait_for_start: bool,
}

/// A container whose process is ready. Dropped before `release`, it is removed.
pub struct Created {
    // Before the rollback, which drops after it.
    stage: Stage,
    rollback: Rollback,
    plan: Plan,
    /// What is on disk.
    pub state: State,
    /// The master of the console's pty, in the foreground.
    pub master: Option<OwnedFd>,
    /// The container's notify socket.
    pub notify: Option<NotifySocket>,
}

/// Creates a container. Bad input is an error before anything is changed; any failure leaves nothing behind.
pub fn create(store: &Store, request: &Request) -> Result<Created, Error> {
    let kept = Kept::claim(request.preserve_fds)?;
    let bundle = absolute(&request.bundle)?;
    let (spec, filter_source) = filter::load_config(store, &bundle)?;
    let (layout, own) = Layout::detect(cgroups_path(&spec))?;
    let facts = Facts::gather(request.rootless, layout);
    config::check(&spec, facts.context_of(&spec))?;
    check_console(&spec, request)?;
    check_rootfs(&spec, &bundle)?;
    let filter = filter_source.filter(&spec)?;

    let creation = Creation::new(&spec, &facts)?;
    let paths = cgroup::locate_here(&facts.cgroup, cgroups_path(&spec), request.id.as_str(), own)?;
    // If this ends here, whoever deletes what there is must not take for ours what others have.
    let known = cgroup::Paths { found: paths.existing(), ..paths.clone() };
    let mut state = first_state(&spec, request, &bundle, &creation, &facts, known)?;
    let (directory, lock) = store.create(&request.id)?;
    let mut rollback = Rollback::new(directory, lock, Cgroup::new(paths));
    // Before anything else exists: whatever becomes of us, `delete --force` finds it.
    rollback.save(&state)?;
    let notify = NotifySocket::bind(rollback.directory().path())?;
    let console = connect_console(request.console_socket.as_deref())?;

    state.cgroup = rollback.create_cgroup(&resources(&spec))?.clone();
    if let (Some(group), Some(rdt)) = (&state.intel_rdt, intel_rdt(&spec)) {
        rollback.resctrl(group.clone()).create(rdt)?;
    }
    let options = plan::Options {
        no_pivot: request.no_pivot,
        no_new_keyring: request.no_new_keyring,
        keep_fds: kept.all,
        listen_fds: kept.listen,
        fifo: request.wait_for_start,
        console_socket: console.is_some(),
        notify_dir: notify.as_ref().map(|n| n.dir().to_owned()),
        ..plan_options(&request.id, &bundle, &spec, &creation, &state.cgroup)
    };
    let plan = plan::compile(&spec, &facts, &options, filter.as_deref())?;
    state.start_origins = start_origins(&spec, &plan);
    if let Some(filter) = &filter {
        filter_source.save(rollback.directory(), filter)?;
    }
    let mut stage = spawn(&plan, rollback.cgroup(), has_memory_limit(&spec))?;
    rollback.poststop(state.hooks_poststop.clone(), hook_state(&state, Status::Stopped));
    let fds = open_fds(&plan, rollback.directory(), rollback.cgroup(), console)?;
    let conversation = Conversation { spec: &spec, plan: &plan, request };
    let outcome = conversation.lead(fds, &mut state, &rollback, &mut stage);
    let master = outcome.map_err(|error| say_more(error, &stage.abandon(), &state))?;
    if let Some(filter) = &filter {
        filter_source.remember(store, rollback.directory(), filter);
    }
    Ok(Created { stage, rollback, plan, state, master, notify })
}

/// Starts nsexec: in the container's cgroup, where it is the container's process already.
fn spawn(plan: &Plan, cgroup: &Cgroup, limited: bool) -> Result<Stage, Error> {
    let by_us = plan.birth != Birth::Stage && plan.join == CgroupJoin::Clone;
    let dir = if by_us { Some(cgroup.dir_fd().ok_or_else(|| missing(FdRole::Cgroup))?) } else { None };
    Ok(Stage::spawn(plan.first_fd, plan.birth, dir.as_ref().map(AsFd::as_fd), limited)?)
}

impl Created {
    /// From here on the container is on its own.
    pub fn release(&mut self) {
        self.stage.release();
        self.rollback.keep();
    }

    /// Waits until the program was exec'd, or says why it was not.
    pub fn wait_for_exec(&mut self) -> Result<(), Error> {
        match self.stage.listen()? {
            None => Ok(()),
            Some(said) => Err(unexpected(said.message, &self.plan, &self.stage).into()),
        }
    }

    /// The container's process.
    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.state.pid)
    }

    /// Its state directory.
    pub fn directory(&self) -> &Directory {
        self.rollback.directory()
    }
}

/// The dialogue with nsexec until READY.
struct Conversation<'a> {
    spec: &'a Spec,
    plan: &'a Plan,
    request: &'a Request,
}

impl Conversation<'_> {
    /// Leads it to READY and returns the console's master, if there was one.
    fn lead(
        self,
        fds: Vec<(FdRole, OwnedFd)>,
        state: &mut State,
        rollback: &Rollback,
        stage: &mut Stage,
    ) -> Result<Option<OwnedFd>, Error> {
        self.send_plan(rollback.cgroup(), stage)?;
        // After the plan, which says that they come: they may be more than the socket holds.
        stage.send_fds(&fds)?;
        drop(fds);
        if self.plan.birth != Birth::Stage {
            self.created(state, rollback, stage)?;
            if !self.has_more_to_answer() && !self.request.wait_for_start {
                stage.wait_until_closed();
            }
        }
        let mut master = None;
        let mut devices_are_late = self.plan.mounts_devices();
        while let Some(said) = stage.listen()? {
            match said.message {
                ToRuntime::Created { .. } => self.created(state, rollback, stage)?,
                ToRuntime::MapWanted => {
                    write_maps(mapped_pid(stage), &self.plan.init).map_err(launch::Error::from)?;
                    stage.say(ToNsexec::MapWritten)?;
                }
                ToRuntime::HookPoint => {
                    if let Some(pid) = stage.init() {
                        network::move_devices(self.spec, pid)?;
                    }
                    self.limit_devices(rollback.cgroup(), &mut devices_are_late)?;
                    self.run_hooks(state)?;
                    stage.say(ToNsexec::HooksDone)?;
                }
                ToRuntime::Console => master = foreground::sized_like_the_callers(said.fd)?,
                ToRuntime::SeccompFd => listener::hand_over(state, Status::Creating, stage.init(), said.fd)?,
                ToRuntime::Ready => {
                    self.limit_devices(rollback.cgroup(), &mut devices_are_late)?;
                    rollback.finish()?;
                    if self.has_more_to_answer() {
                        self.let_go(state, stage)?;
                    }
                    return Ok(master);
                }
                other => return Err(unexpected(other, self.plan, stage).into()),
            }
        }
        Err(launch::Error::Silent("it closed its socket".to_owned()).into())
    }

    fn send_plan(&self, cgroup: &Cgroup, stage: &mut Stage) -> Result<(), Error> {
        let bytes = self.plan.bytes().map_err(launch::Error::from)?;
        log::debug!("nsexec container setup: pid {}, a plan of {} bytes", stage.first_pid(), bytes.len());
        // Before there is a limit that nsexec could exceed.
        stage.wait_until_exec()?;
        if self.plan.join == CgroupJoin::Write {
            cgroup.join(stage.first_pid())?;
        }
        let resources = resources(self.spec);
        let limit = match self.plan.mounts_devices() {
            true => Cgroup::apply_limits,
            false => Cgroup::apply,
        };
        if cgroup.paths().is_v2() {
            stage.send_plan(&bytes)?;
            // While nsexec waits for the kernel to make namespaces.
            limit(cgroup, &resources)?;
        } else {
            // v1 can't change its device rules in one step: in between, nsexec could not make device nodes.
            limit(cgroup, &resources)?;
            stage.send_plan(&bytes)?;
        }
        Ok(())
    }

    /// Device rules that the mounts would not have passed, and that hooks may change, as with runc.
    fn limit_devices(&self, cgroup: &Cgroup, late: &mut bool) -> Result<(), Error> {
        if std::mem::take(late) {
            cgroup.apply_devices(&resources(self.spec))?;
        }
        Ok(())
    }

    /// Whether nsexec will ask for something before it is ready. If not, START can wait for it in the socket: it saves
    /// nsexec, and the start, two changes of process.
    fn has_more_to_answer(&self) -> bool {
        let maps = self.plan.init.uid_map.is_some() || self.plan.init.gid_map.is_some();
        maps || self.plan.has_foreground_console()
            || self.plan.has_listener()
            || self.plan.mounts_devices()
            || self.plan.steps.iter().any(|planned| planned.step == StepBuf::HookPoint {})
    }

    /// The container's process exists.
    fn created(&self, state: &mut State, rollback: &Rollback, stage: &mut Stage) -> Result<(), Error> {
        if let Some(pid) = stage.init() {
            if let Some(group) = &state.intel_rdt {
                group.join(pid)?;
            }
            write_down(pid, state, rollback)?;
        }
        if self.has_more_to_answer() { Ok(()) } else { self.let_go(state, stage) }
    }

    /// Says START: limits are set, and what others need to know of the container is written down.
    fn let_go(&self, state: &State, stage: &mut Stage) -> Result<(), Error> {
        let pid = Pid::from_raw(state.pid);
        if let Some(process) = self.spec.process().as_ref().filter(|_| state.is_own(NamespaceType::User)) {
            stdio::give_to_mapped_user(pid, process);
        }
        if let Some(path) = &self.request.pid_file {
            pid_file::write(path, pid)?;
        }
        if let Some(path) = &self.request.pidfd_socket {
            pidfd_socket::send(path, pid, "standard")?;
        }
        // Before the program runs: a zombie counts against pids.max, too.
        stage.reap_first();
        Ok(stage.say(ToNsexec::Start)?)
    }

    #[allow(deprecated)]
    fn run_hooks(&self, state: &State) -> Result<(), Error> {
        let Some(list) = self.spec.hooks() else { return Ok(()) };
        let text = hook_state(state, Status::Creating);
        let process = state.init().open()?;
        let process = process.as_ref().map(AsFd::as_fd);
        let run = |hooks: &Option<Vec<Hook>>, name| {
            hooks::run(hooks.as_deref().unwrap_or_default(), name, &text, &state.bundle, process)
        };
        run(list.prestart(), "prestart")?;
        Ok(run(list.create_runtime(), "createRuntime")?)
    }
}

/// Writes down who the container's process is: before it may go on, and while the kernel makes its namespaces.
fn write_down(pid: Pid, state: &mut State, rollback: &Rollback) -> Result<(), Error> {
    log::debug!("child process in init(): pid {pid}");
    state.pid = pid.as_raw();
    state.start_time = Identity::of(pid.as_raw())?.map_or(0, |identity| identity.start_time);
    state.namespace_paths = NamespaceType::ALL
        .iter()
        .map(|kind| (kind.state_key().to_owned(), kind.path_of_process(pid.as_raw()).display().to_string()))
        .collect();
    Ok(rollback.prepare(state)?)
}

/// The first process maps itself where it makes the user namespace before the clone.
fn mapped_pid(stage: &Stage) -> Pid {
    stage.init().unwrap_or(stage.first_pid())
}

/// A message that ends the conversation.
fn unexpected(message: ToRuntime, plan: &Plan, stage: &Stage) -> launch::Error {
    match message {
        ToRuntime::Failed(failure) => {
            launch::Error::Step(launch::explain(&failure, plan, stage.hook_output().as_deref()))
        }
        _ => launch::Error::Unexpected("out of order"),
    }
}

/// A process that ended without a word was killed by somebody: the kernel for memory, most of the time.
fn say_more(error: Error, ended: &str, state: &State) -> Error {
    match error {
        Error::Launch(launch::Error::Silent(_)) => {
            let oom = cgroup_of(state).oom_kills() > 0;
            let why = if oom {
                format!("{ended}, out of memory: the memory limit is too low")
            } else {
                ended.to_owned()
            };
            launch::Error::Silent(why).into()
        }
        other => other,
    }
}

fn cgroup_of(state: &State) -> Cgroup {
    Cgroup::new(state.cgroup.clone())
}

fn absolute(bundle: &Path) -> Result<PathBuf, Error> {
    let failed = |reason| Error::File { what: "open bundle", path: bundle.to_owned(), reason };
    crate::sys::real_path(bundle).map_err(|errno| failed(errno.into()))
}

fn check_console(spec: &Spec, request: &Request) -> Result<(), Error> {
    let terminal = spec.process().as_ref().and_then(|p| p.terminal()).unwrap_or(false);
    super::check_console(terminal, request.detach, request.console_socket.is_some())
}

fn check_rootfs(spec: &Spec, bundle: &Path) -> Result<(), Error> {
    let Some(root) = spec.root() else { return Ok(()) };
    let path = bundle.join(root.path());
    match std::fs::metadata(&path) {
        Ok(meta) if meta.is_dir() => Ok(()),
        Ok(_) => Err(Error::Usage(format!("root.path: {}: not a directory", path.display()))),
        Err(reason) => Err(Error::File { what: "root.path: open rootfs", path, reason }),
    }
}

/// What `start` needs to explain a failure, where hooks have it wait for the exec.
fn start_origins(spec: &Spec, plan: &Plan) -> BTreeMap<u32, String> {
    let is_awaited = spec.hooks().as_ref().is_some_and(|hooks| {
        [hooks.start_container(), hooks.poststart()].into_iter().flatten().any(|list| !list.is_empty())
    });
    if is_awaited { plan.origins_after_ready() } else { BTreeMap::new() }
}

fn cgroups_path(spec: &Spec) -> Option<&Path> {
    spec.linux().as_ref().and_then(|l| l.cgroups_path().as_deref())
}

fn intel_rdt(spec: &Spec) -> Option<&LinuxIntelRdt> {
    spec.linux().as_ref().and_then(|l| l.intel_rdt().as_ref())
}

fn resources(spec: &Spec) -> oci_spec::runtime::LinuxResources {
    spec.linux().as_ref().and_then(|l| l.resources().clone()).unwrap_or_default()
}

/// Whether the container's cgroup may run out of memory before others do.
fn has_memory_limit(spec: &Spec) -> bool {
    let Some(resources) = spec.linux().as_ref().and_then(|l| l.resources().as_ref()) else { return false };
    // Docker writes `memory` whether there is a limit or not.
    let is_limited = |memory: &LinuxMemory| {
        let limits = [memory.limit(), memory.swap(), memory.kernel(), memory.kernel_tcp()];
        limits.into_iter().flatten().any(|limit| limit > 0)
    };
    resources.memory().as_ref().is_some_and(is_limited) || resources.unified().is_some()
}

/// The options of a plan that follow from the config alone.
fn plan_options(
    id: &Id,
    bundle: &Path,
    spec: &Spec,
    creation: &Creation,
    cgroup: &cgroup::Paths,
) -> plan::Options {
    plan::Options {
        id: id.as_str().to_owned(),
        bundle: bundle.to_owned(),
        no_pivot: false,
        no_new_keyring: false,
        keep_fds: 0,
        listen_fds: 0,
        fifo: true,
        console_socket: false,
        notify_dir: None,
        links: copied_links(bundle, spec),
        join: join_kind(cgroup, creation, spec),
        cgroup_dirs: cgroup.dirs.clone().into_iter().collect(),
    }
}

/// The symlinks among the sources of `copy-symlink` mounts, and what they say. What can't be asked now is left to nsexec,
/// which will say why when it mounts it.
fn copied_links(bundle: &Path, spec: &Spec) -> BTreeMap<PathBuf, PathBuf> {
    let mounts = spec.mounts().iter().flatten();
    let copied = mounts.filter(|mount| config::mount_options::has(mount, COPY_SYMLINK));
    let sources = copied.filter_map(|mount| mount.source().as_ref()).map(|source| bundle.join(source));
    sources.filter_map(|source| std::fs::read_link(&source).ok().map(|link| (source, link))).collect()
}

/// The plan of a bundle, as `create` would make it, with nothing changed.
///
/// Whoever asks, the plan is what root would do, unless `rootless` says otherwise.
pub fn dry_plan(bundle: &Path, rootless: Option<bool>) -> Result<Plan, Error> {
    let bundle = absolute(bundle)?;
    let spec = config::load(&bundle)?;
    let (layout, own) = Layout::detect(cgroups_path(&spec))?;
    let facts = &Facts::gather(rootless.or(Some(false)), layout);
    config::check(&spec, facts.context_of(&spec))?;
    let filter = filter::compile(&spec)?;
    let id: Id = "container".parse()?;
    let cgroup = cgroup::locate_here(&facts.cgroup, cgroups_path(&spec), id.as_str(), own)?;
    let creation = Creation::new(&spec, facts)?;
    let options = plan_options(&id, &bundle, &spec, &creation, &cgroup);
    Ok(plan::compile(&spec, facts, &options, filter.as_ref())?)
}

fn join_kind(cgroup: &cgroup::Paths, creation: &Creation, spec: &Spec) -> CgroupJoin {
    match () {
        () if cgroup.is_empty() => CgroupJoin::None,
        () if cgroup.is_v2() && !creation.loses_privileges_before_clone(spec) => CgroupJoin::Clone,
        () => CgroupJoin::Write,
    }
}

/// The fds that the plan names, opened.
fn open_fds(
    plan: &Plan,
    directory: &Directory,
    cgroup: &Cgroup,
    console: Option<OwnedFd>,
) -> Result<Vec<(FdRole, OwnedFd)>, Error> {
    let mut console = console;
    let mut mappings = launch::tree::Mappings::default();
    plan.fds
        .iter()
        .map(|role| {
            let fd = match role {
                FdRole::Cgroup => cgroup.dir_fd(),
                FdRole::Fifo => Some(make_fifo(directory)?),
                FdRole::HookOutput => {
                    let made = hooks::output_file();
                    Some(made.map_err(launch::syscall("make a file for the output of hooks"))?.into())
                }
                FdRole::ConsoleSocket => console.take(),
                FdRole::Tree(number) => match plan.trees.get(*number) {
                    Some(tree) => Some(launch::tree::make(tree, &mut mappings).map_err(launch::Error::from)?),
                    None => None,
                },
                FdRole::Init | FdRole::Root => None,
            };
            Ok((*role, fd.ok_or_else(|| missing(*role))?))
        })
        .collect()
}

fn missing(role: FdRole) -> Error {
    Error::Usage(format!("a file descriptor is missing: {role:?}"))
}

/// The exec FIFO. nsexec reads one byte from it; it holds both ends, so that opening never blocks.
fn make_fifo(directory: &Directory) -> Result<OwnedFd, Error> {
    directory.make_exec_fifo((nix::unistd::geteuid(), nix::unistd::getegid()))?;
    Ok(directory.open_exec_fifo(OFlag::O_RDWR)?)
}

fn first_state(
    spec: &Spec,
    request: &Request,
    bundle: &Path,
    creation: &Creation,
    facts: &Facts,
    cgroup: cgroup::Paths,
) -> Result<State, Error> {
    let hooks = spec.hooks().as_ref();
    let process = spec.process().as_ref().map(serde_json::value::to_raw_value).transpose();
    Ok(State {
        oci_version: spec.version().clone(),
        id: request.id.as_str().to_owned(),
        pid: 0,
        start_time: 0,
        created: timestamp(std::time::SystemTime::now()),
        bundle: bundle.to_owned(),
        rootfs: spec.root().as_ref().map(|r| bundle.join(r.path())).unwrap_or_default(),
        annotations: spec.annotations().clone().unwrap_or_default().into_iter().collect(),
        rootless: facts.rootless,
        systemd: false,
        namespace_paths: Default::default(),
        namespaces: creation.own_flags(),
        ends_with_init: creation.is_new(NamespaceType::Pid),
        cgroup,
        resources: spec.linux().as_ref().and_then(|l| l.resources().clone()),
        intel_rdt: resctrl::Group::of_config(spec, request.id.as_str())?,
        hooks_poststart: hooks.and_then(|h| h.poststart().clone()).unwrap_or_default(),
        hooks_poststop: hooks.and_then(|h| h.poststop().clone()).unwrap_or_default(),
        start_origins: BTreeMap::new(),
        process: process.map_err(|e| Error::Usage(format!("process: {e}")))?,
        personality: spec.linux().as_ref().and_then(|l| l.personality().clone()),
        memory_policy: spec.linux().as_ref().and_then(|l| l.memory_policy().clone()),
        seccomp_agent: listener::agent(spec),
        no_new_keyring: request.no_new_keyring,
        groups_allowed: creation.groups_allowed(spec, facts),
    })
}
