//! `exec`: a second process in a running container.

use super::error::syscall;
use super::fds::Kept;
use super::foreground::{self, Signals, Terminal};
use super::inspect::look;
use super::{Error, connect_console, filter, listener, pid_file, pidfd_socket, stdio};
use crate::cgroup::{Cgroup, Layout};
use crate::config;
use crate::container::status::allowed;
use crate::container::{Id, Operation, State, Status, Store};
use crate::facts::Facts;
use crate::launch::{self, Stage};
use crate::namespaces::NamespaceType;
use crate::plan::{self, Birth, CgroupJoin, ExecOptions, FdRole, Plan};

use nix::unistd::Pid;
use oci_spec::runtime::Process;
use skeg_proto::sync::{ToNsexec, ToRuntime};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// What `exec` was asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// The container's id.
    pub id: Id,
    /// The process; see [`fill_in`].
    pub process: Process,
    /// Where it comes from.
    pub source: config::Source,
    /// `--console-socket`.
    pub console_socket: Option<PathBuf>,
    /// `--pidfd-socket`.
    pub pidfd_socket: Option<PathBuf>,
    /// `--pid-file`, absolute.
    pub pid_file: Option<PathBuf>,
    /// `--preserve-fds`.
    pub preserve_fds: u32,
    /// `--cgroup`.
    pub cgroups: Vec<String>,
    /// `--ignore-paused`.
    pub ignore_paused: bool,
    /// `--detach`.
    pub detach: bool,
}

/// The process of a container's config, for `exec` to start from.
pub fn container_process(store: &Store, id: &Id) -> Result<Process, Error> {
    let state = store.open(id)?.load()?;
    let text = state.process.as_ref().map(|process| process.get()).unwrap_or_default();
    Ok(config::parse_process(text.as_bytes(), Path::new("state.json"))?)
}

/// Gives a process that comes from elsewhere what it leaves out and the container has, so that it is confined as the
/// container is. `noNewPrivileges` is a plain false when it is missing, as in runc.
pub fn fill_in(mut process: Process, own: &Process) -> Process {
    let named = |label: &Option<String>| label.clone().filter(|label| !label.is_empty());
    let listed = process.rlimits().clone().filter(|limits| !limits.is_empty());
    process.set_rlimits(listed.or_else(|| own.rlimits().clone()));
    process.set_capabilities(process.capabilities().clone().or_else(|| own.capabilities().clone()));
    process.set_apparmor_profile(named(process.apparmor_profile()).or_else(|| named(own.apparmor_profile())));
    process.set_selinux_label(named(process.selinux_label()).or_else(|| named(own.selinux_label())));
    process.set_oom_score_adj(process.oom_score_adj().or(own.oom_score_adj()));
    process.set_io_priority(process.io_priority().or(*own.io_priority()));
    process.set_scheduler(process.scheduler().clone().or_else(|| own.scheduler().clone()));
    process.set_exec_cpu_affinity(
        process.exec_cpu_affinity().clone().or_else(|| own.exec_cpu_affinity().clone()),
    );
    let umask = process.user().umask().or(own.user().umask());
    process.user_mut().set_umask(umask);
    process
}

/// Runs the process; returns its exit code, or 0 when detached.
pub fn exec(store: &Store, request: &Request) -> Result<i32, Error> {
    let kept = Kept::claim(request.preserve_fds)?;
    // From before the process exists: its end must not be missed.
    let signals = if request.detach { None } else { Some(Signals::take()?) };
    bind_to_initial_cpus(&request.process)?;
    // First of all: it starts while we are busy, and does nothing until it gets its plan.
    let mut stage = Stage::spawn(kept.first_free(), Birth::Stage, None, true)?;
    let directory = store.open(&request.id)?;
    let (state, status) = look(&directory)?;
    check_status(status, request)?;
    let terminal = request.process.terminal().unwrap_or(false);
    super::check_console(terminal, request.detach, request.console_socket.is_some())?;
    let Some(init) = state.init().open()? else {
        return allowed(Operation::Exec, &request.id, Status::Stopped).map(|()| 0).map_err(Error::from);
    };
    let console = connect_console(request.console_socket.as_deref())?;
    let filter = filter::of_container(&directory)?;

    let facts = Facts::gather(Some(state.rootless), Layout::None);
    config::check_process(&request.process, &request.source, facts.config_context())?;
    check_groups(&request.process, &state)?;
    let cgroup = Cgroup::new(state.cgroup.clone());
    let cgroup = match request.cgroups.as_slice() {
        [] => cgroup.beside(Pid::from_raw(state.init().pid))?,
        below => cgroup.sub(below)?,
    };
    let options = ExecOptions {
        id: state.id.clone(),
        namespaces: state.namespaces,
        keep_fds: kept.all,
        listen_fds: kept.listen,
        console_socket: console.is_some(),
        keyring: !state.no_new_keyring,
        groups_allowed: state.groups_allowed,
        join: join_kind(&state),
        personality: state.personality.as_ref(),
        memory_policy: state.memory_policy.as_ref(),
    };
    let plan = plan::compile_exec(&request.process, &facts, &options, filter.as_ref())?;
    let init =
        init.as_fd().try_clone_to_owned().map_err(|e| syscall("copy a pidfd")(crate::errno::of(&e)))?;
    stage.send_fds(&open_fds(&plan, &cgroup, console, init, &state)?)?;
    let (pid, master) = lead(&mut stage, &plan, &cgroup, &state, request)?;
    stage.reap_first();
    // Before it is on its own: without a terminal it is ended.
    let terminal = master.map(Terminal::new).transpose()?;
    stage.release();
    match signals {
        Some(signals) => foreground::wait(pid, &signals, terminal, None),
        None => Ok(0),
    }
}

/// From its clone on, init sees the new process, and may be quicker than its first word.
const AT_THE_CLONE: &str = "at the clone; a process of the container may have killed it";

/// The dialogue with nsexec until the exec; the new process and the console's master.
fn lead(
    stage: &mut Stage,
    plan: &Plan,
    cgroup: &Cgroup,
    state: &State,
    request: &Request,
) -> Result<(Pid, Option<OwnedFd>), Error> {
    if plan.join == CgroupJoin::Write {
        // The container may be at its memory limit.
        stage.wait_until_exec()?;
        cgroup.join(stage.first_pid())?;
    }
    log::debug!("nsexec container setup: pid {}", stage.first_pid());
    stage.send_plan(&plan.bytes().map_err(launch::Error::from)?)?;
    let mut master = None;
    while let Some(said) = stage.listen()? {
        match said.message {
            ToRuntime::Created { .. } => {
                let Some(pid) = stage.init() else { continue };
                log::debug!("setns_init: about to exec: pid {pid}");
                if let Some(group) = &state.intel_rdt {
                    group.join(pid)?;
                }
                if state.is_own(NamespaceType::User) {
                    stdio::give_to_mapped_user(pid, &request.process);
                }
                if let Some(path) = &request.pid_file {
                    pid_file::write(path, pid)?;
                }
                if let Some(path) = &request.pidfd_socket {
                    pidfd_socket::send(path, pid, "setns")?;
                }
                if !plan.has_foreground_console() {
                    // Nothing else is asked: it waits in the socket until nsexec is ready for it.
                    stage.say(ToNsexec::Start)?;
                }
            }
            ToRuntime::Console => master = foreground::sized_like_the_callers(said.fd)?,
            ToRuntime::SeccompFd => listener::hand_over(state, Status::Running, stage.init(), said.fd)?,
            ToRuntime::Ready if plan.has_foreground_console() => stage.say(ToNsexec::Start)?,
            ToRuntime::Ready => {}
            ToRuntime::Failed(failure) => {
                return Err(launch::Error::Step(launch::explain(&failure, plan, None)).into());
            }
            _ => return Err(launch::Error::Unexpected("out of order").into()),
        }
    }
    match stage.init() {
        Some(pid) => Ok((pid, master)),
        None => Err(launch::Error::Silent(AT_THE_CLONE.to_owned()).into()),
    }
}

/// `process.execCPUAffinity.initial` counts before the process is in its cgroup: so it is already ours.
fn bind_to_initial_cpus(process: &Process) -> Result<(), Error> {
    let initial = process.exec_cpu_affinity().as_ref().and_then(|affinity| affinity.initial().as_deref());
    match initial.map(config::list::mask).filter(|mask| !mask.is_empty()) {
        Some(mask) => crate::sys::set_affinity(&mask)
            .map_err(syscall("process.execCPUAffinity.initial: set CPU affinity")),
        None => Ok(()),
    }
}

fn check_status(status: Status, request: &Request) -> Result<(), Error> {
    if status == Status::Paused && request.ignore_paused {
        return Ok(());
    }
    Ok(allowed(Operation::Exec, &request.id, status)?)
}

/// Without setgroups(2) they would be left out without a word.
fn check_groups(process: &Process, state: &State) -> Result<(), Error> {
    let asked = process.user().additional_gids().as_ref().is_some_and(|gids| !gids.is_empty());
    if asked && state.rootless && !state.groups_allowed {
        let sentence = "cannot set any additional groups in a rootless container";
        return Err(Error::Usage(format!("process.user.additionalGids: {sentence}")));
    }
    Ok(())
}

fn join_kind(state: &State) -> CgroupJoin {
    let in_userns = state.is_own(NamespaceType::User);
    match () {
        () if state.cgroup.is_empty() => CgroupJoin::None,
        // Once in the user namespace, the kernel would refuse CLONE_INTO_CGROUP.
        () if state.cgroup.is_v2() && !in_userns => CgroupJoin::Clone,
        () => CgroupJoin::Write,
    }
}

fn open_fds(
    plan: &Plan,
    cgroup: &Cgroup,
    console: Option<OwnedFd>,
    init: OwnedFd,
    state: &State,
) -> Result<Vec<(FdRole, OwnedFd)>, Error> {
    let (mut console, mut init) = (console, Some(init));
    plan.fds
        .iter()
        .map(|role| {
            let fd = match role {
                FdRole::Cgroup => cgroup.dir_fd(),
                FdRole::ConsoleSocket => console.take(),
                FdRole::Init => init.take(),
                FdRole::Root => Some(open_root(state)?),
                FdRole::Fifo | FdRole::HookOutput | FdRole::Tree(_) => None,
            };
            Ok((*role, fd.ok_or_else(|| Error::Usage(format!("a file descriptor is missing: {role:?}")))?))
        })
        .collect()
}

/// The root of init, which is not another process's: it is alive after that was opened.
fn open_root(state: &State) -> Result<OwnedFd, Error> {
    use nix::fcntl::{OFlag, open};
    let path = format!("/proc/{}/root", state.pid);
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let root = open(path.as_str(), flags, nix::sys::stat::Mode::empty())
        .map_err(syscall("open the root of the container's process"))?;
    match state.init().open()? {
        Some(_) => Ok(root),
        None => Err(syscall("open the root of the container's process")(nix::errno::Errno::ESRCH)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(text: &str) -> Process {
        crate::config::parse_process(text.as_bytes(), Path::new("process.json")).unwrap()
    }

    fn container() -> Process {
        process(
            r#"{"args": ["init"], "cwd": "/srv", "env": ["A=1"], "user": {"uid": 1, "gid": 2, "umask": 7},
                "terminal": true, "noNewPrivileges": true, "apparmorProfile": "own", "selinuxLabel": "a:b:c:s0",
                "capabilities": {"bounding": ["CAP_KILL"]}, "oomScoreAdj": 5,
                "rlimits": [{"type": "RLIMIT_CORE", "soft": 0, "hard": 0}],
                "ioPriority": {"class": "IOPRIO_CLASS_IDLE", "priority": 0},
                "scheduler": {"policy": "SCHED_IDLE"}, "execCPUAffinity": {"initial": "0"}}"#,
        )
    }

    #[test]
    fn what_confines_is_filled_in_and_nothing_else() {
        let bare = r#"{"args": ["ls"], "cwd": "/", "user": {"uid": 0, "gid": 0}, "apparmorProfile": "", "rlimits": []}"#;
        let filled = fill_in(process(bare), &container());
        let mut expected = container();
        expected.set_args(Some(vec!["ls".to_owned()])).set_cwd("/".into()).set_env(None).set_terminal(None);
        expected.set_no_new_privileges(None).user_mut().set_uid(0).set_gid(0);
        assert_eq!(filled, expected);
    }

    #[test]
    fn what_the_file_says_counts() {
        let own = r#"{"args": ["ls"], "cwd": "/", "user": {"uid": 0, "gid": 0, "umask": 0}, "apparmorProfile": "other",
            "selinuxLabel": "d:e:f:s0", "capabilities": {}, "oomScoreAdj": 0,
            "rlimits": [{"type": "RLIMIT_CORE", "soft": 1, "hard": 1}],
            "ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 1},
            "scheduler": {"policy": "SCHED_OTHER"}, "execCPUAffinity": {"initial": "1"}}"#;
        assert_eq!(fill_in(process(own), &container()), process(own));
    }
}
