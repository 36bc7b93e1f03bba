//! The order in which a container starts. Start reading here: every other module is called from this file, and each
//! line of `run`, `first` and `container` is one stage.

use crate::fault::{At, During, Fault};
use crate::input;
use crate::join;
use crate::namespaces::{self, Entrant, TimeOffsets};
use crate::report;
use crate::steps::{self, Container};
use crate::sync::Sync;
use crate::sys::map::Arena;
use crate::sys::process::{NEWTIME, NEWUSER};
use crate::sys::{self, BorrowedFd, Errno};
use core::convert::Infallible;
use core::ffi::CStr;
use skeg_proto::sync::ToRuntime;
use skeg_proto::{Failure, Op, Stage, Step, Stream};

/// Comes back only to complain.
type Run = Result<Infallible, Failure>;

/// Executes the plan that the pipe with the number `base` holds; `base` + 1 is the socket to the runtime.
pub fn boot(base: u32) -> ! {
    let sync = Sync::new(base.saturating_add(1));
    let Err(failure) = run(base, &sync);
    report::fail(&sync, &failure)
}

/// Leaves without a word: what a panic comes to.
pub fn abandon() -> ! {
    sys::process::exit(127)
}

/// It was not started by the runtime: there is no socket to say so.
pub fn usage() -> ! {
    if let Ok(stderr) = sys::file::named(2) {
        // Where stderr is closed, the exit status says it as well.
        let _ = sys::file::write(stderr, b"nsexec is started by skeg, not by hand\n");
    }
    sys::process::exit(127)
}

fn run(pipe: u32, sync: &Sync) -> Run {
    // Before anything else: every byte of the plan is read and checked before the first call that changes anything.
    let (stream, arena) = input::read(pipe).at(Stage::Input, 0)?;
    sys::process::set_name(c"nsexec").during(Op::Prctl).at(Stage::Host, 0)?;
    // What the caller of the runtime ignores, the container's program must not.
    sys::process::reset_signals();
    // Before any namespace is joined or made: it needs the host's privileges, and the host's /proc.
    let offsets = host(&stream, sync)?;
    if stream.steps().any(|(_, step)| matches!(step, Step::Born {})) {
        // The runtime has cloned: this is the container's process already.
        return container(&stream, sync, arena, false, false);
    }
    // Before the clone: setns(2) of a PID namespace means the children only.
    let joined = join(&stream)?;
    // The container's process is made, and this one leaves.
    first(&stream, sync, arena, offsets, joined)
}

/// The rest of the first process, and where the second one begins.
fn first(
    stream: &Stream<'_>,
    sync: &Sync,
    arena: Arena,
    offsets: Option<TimeOffsets<'_>>,
    joined: bool,
) -> Run {
    let init = &stream.init;
    let mut flags = init.clone_flags;
    if !joined && !init.rootless_euid {
        // Before there is a user namespace. Whoever has the id of its maker, in whatever container that sees this
        // process, is its owner and so may look into those who are in it (user_namespaces(7)): at the host's root.
        // But not into one that is not dumpable, whose memory stays with the namespace that the runtime is in.
        sys::process::set_dumpable(false).during(Op::Prctl).at(Stage::Clone, 0)?;
    }
    if let Some(offsets) = offsets {
        // A time namespace belongs to a user namespace, and its clocks can be set only until somebody is in it: both
        // have to be there before the clone.
        if flags & NEWUSER != 0 {
            namespaces::create_user().at(Stage::Clone, 0)?;
            namespaces::map_users(sync, stream, joined).at(Stage::UserMap, 0)?;
        }
        offsets.create().at(Stage::Clone, 0)?;
        flags &= !(NEWTIME | NEWUSER);
    }
    let (number, cgroup) = cgroup(stream)?;
    // Comes back in the new process only: nothing is left to do in this one. The new one reports itself, so that the
    // runtime hears of it before it hears anything else from it.
    let pid = namespaces::clone(flags, cgroup, init.clone_flags).at(Stage::Clone, number)?;
    sync.send(&ToRuntime::Created { pid }).at(Stage::Clone, number)?;
    container(stream, sync, arena, flags & NEWUSER != 0, joined)
}

/// The container's process, from its first instruction to the program's.
fn container(stream: &Stream<'_>, sync: &Sync, arena: Arena, map: bool, joined: bool) -> Run {
    // Before anything of the container's runs: the host's descriptors have done their work.
    close_host_fds(stream).at(Stage::Clone, 0)?;
    // Before the runtime is asked for anything: the process leaves the session of whoever called the runtime.
    sys::process::setsid().during(Op::Setsid).at(Stage::Clone, 0)?;
    if map {
        // Before every other namespace: an unmapped user would own what they create.
        namespaces::map_users(sync, stream, joined).at(Stage::UserMap, 0)?;
    }
    if !stream.init.rootless_euid {
        // A crash must not leave what this process has in memory in the image's root, or in the hands of others in a
        // shared PID namespace. Until the exec. A user's own container has nothing else of the host's; but who serves
        // it (slirp4netns) could no longer open its namespaces.
        sys::process::set_dumpable(false).during(Op::Prctl).at(Stage::Clone, 0)?;
    }
    // Once it is in a user namespace that it has made or joined, which has cleared them: elsewhere they are the caller's.
    steps::clear_securebits().at(Stage::Clone, 0)?;
    namespaces::unshare_rest(stream.init.clone_flags).at(Stage::Unshare, 0)?;
    // What is made from here on has the modes that were asked for, whatever umask the caller had.
    sys::process::umask(0);
    // The steps up to READY build the container; those after it turn this process into the container's program.
    let mut container = Container::new(sync, arena);
    let mut stage = Stage::Setup;
    for (number, step) in stream.steps().skip_while(before_clone).skip(1) {
        container.execute(&step).at(stage, number)?;
        if let Step::Ready { .. } = step {
            stage = Stage::Start;
        }
    }
    // `Stream::read` lets a stream end in nothing but Exec.
    Err(Fault::new(Op::Exec, Errno::NOSYS).at(Stage::Start, 0))
}

fn before_clone((_, step): &(u32, Step<'_>)) -> bool {
    !matches!(step, Step::Clone {} | Step::Born {})
}

/// What needs the host's privileges and the host's /proc.
fn host<'a>(stream: &Stream<'a>, sync: &Sync) -> Result<Option<TimeOffsets<'a>>, Failure> {
    if let Some(score) = stream.init.oom_score_adj {
        // While this process is dumpable: afterwards the file belongs to root, and the user may not write it.
        set_oom_score(score).at(Stage::Host, 0)?;
    }
    for (number, step) in stream.steps().take_while(before_clone) {
        match step {
            Step::Fds { first, count } => receive_fds(sync, first, count).at(Stage::Host, number)?,
            Step::RaiseLimit { resource, hard } => {
                steps::raise_limit(resource, hard).at(Stage::Host, number)?;
            }
            _ => {}
        }
    }
    TimeOffsets::open(&stream.init).at(Stage::Clone, 0)
}

/// Puts what the runtime sends where the plan says that it is.
fn receive_fds(sync: &Sync, first: u32, count: u32) -> crate::fault::Result<()> {
    for number in (first..).take(count as usize) {
        let fd = sync.expect_fd()?;
        sys::file::place(fd, number).during(Op::Open)?;
    }
    Ok(())
}

fn set_oom_score(score: &CStr) -> crate::fault::Result<()> {
    use sys::file::{self, Open};
    let file = file::openat(sys::CWD, c"/proc/self/oom_score_adj", Open::WRONLY, 0).during(Op::Open)?;
    file::write(file, score.to_bytes()).during(Op::Write).map(drop)
}

/// Joins what INIT and the steps name. Whether there was anything.
fn join(stream: &Stream<'_>) -> Result<bool, Failure> {
    let joins =
        || stream.steps().take_while(before_clone).filter(|(_, step)| matches!(step, Step::Join { .. }));
    let paths = stream.init.ns_paths.filter(|paths| !paths.is_empty());
    if paths.is_none() && joins().next().is_none() {
        return Ok(false);
    }
    // Before the first setns: whoever is in there already must not ptrace this process, which holds the host's
    // descriptors (CVE-2016-9962). It stays so until the exec.
    sys::process::set_dumpable(false).during(Op::Prctl).at(Stage::Join, 0)?;
    let entrant = Entrant::of(stream);
    if let Some(paths) = paths {
        join::paths(paths, entrant).at(Stage::Join, 0)?;
    }
    for (number, step) in joins() {
        if let Step::Join { pidfd, namespaces } = step {
            join::process(pidfd, namespaces, entrant).at(Stage::Join, number)?;
        }
    }
    Ok(true)
}

/// Closes what the steps before the clone have named: the cgroup's directory, pidfds.
fn close_host_fds(stream: &Stream<'_>) -> crate::fault::Result<()> {
    for (_, step) in stream.steps().take_while(before_clone) {
        match step {
            Step::Cgroup { fd } | Step::Join { pidfd: fd, .. } => {
                drop(sys::file::take(fd).during(Op::Clone)?);
            }
            _ => {}
        }
    }
    Ok(())
}

/// The number of the Clone step, and the cgroup that the new process is made in.
fn cgroup(stream: &Stream<'_>) -> Result<(u32, Option<BorrowedFd<'static>>), Failure> {
    let mut cgroup = None;
    for (number, step) in stream.steps() {
        match step {
            Step::Cgroup { fd } => {
                cgroup = Some(sys::file::named(fd).during(Op::Clone).at(Stage::Clone, number)?);
            }
            Step::Clone {} => return Ok((number, cgroup)),
            _ => {}
        }
    }
    Ok((0, cgroup))
}
