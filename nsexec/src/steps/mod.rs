//! The steps that run in the container's process: one `match`, one line each. Grouped by what they change.

mod console;
mod copy_up;
mod credentials;
mod device;
mod home;
mod hook;
mod host;
mod long_mount;
mod mask;
mod mount;
mod program;
mod root;
mod seccomp;
mod stdio;

pub use credentials::clear_securebits;
pub use host::raise_limit;

use crate::exec;
use crate::fault::{During, Fault, Result};
use crate::inside::Symlinks;
use crate::sync::Sync;
use crate::sys::file::{self, Open};
use crate::sys::map::{Arena, Pointers};
use crate::sys::process::Scheduling;
use crate::sys::{self, AsFd, BorrowedFd, OwnedFd};
use core::ffi::CStr;
use skeg_proto::field::{Strings, WordList};
use skeg_proto::sync::{ToNsexec, ToRuntime};
use skeg_proto::{NO_FD, Op, Step};

/// The container while it is being built: what a step leaves for later ones.
pub struct Container<'a> {
    sync: &'a Sync,
    arena: Arena,
    /// The container's root directory; None until it is known to differ from "/".
    root: Option<OwnedFd>,
    /// A procfs that this process has mounted itself.
    procfs: Option<OwnedFd>,
    /// A devpts that this process has mounted itself.
    devpts: Option<OwnedFd>,
    /// The empty directory behind which masked directories are hidden.
    empty: Option<OwnedFd>,
    /// The container's null device.
    null: Option<OwnedFd>,
    /// The directory that the step before made a file in, and its path: most files are made in one, /dev.
    parent: Option<(&'a [u8], OwnedFd)>,
    /// Whether the next file system starts as a copy of what it covers.
    copy_up: bool,
    /// The path by which the program is executed.
    program: Option<&'a CStr>,
    /// A working directory that only the container's user may enter.
    workdir: Option<&'a CStr>,
    registers: Registers<'a>,
}

/// What bulk messages have left for the steps that use it.
#[derive(Default)]
struct Registers<'a> {
    argv: Option<Pointers<'a>>,
    env: Option<Pointers<'a>>,
    vars: Option<Strings<'a>>,
    groups: Option<WordList<'a>>,
    candidates: Option<Strings<'a>>,
    hook_args: Option<Pointers<'a>>,
    hook_env: Option<Pointers<'a>>,
    hook_stdin: &'a [u8],
}

impl<'a> Container<'a> {
    /// Nothing built yet.
    pub fn new(sync: &'a Sync, arena: Arena) -> Self {
        Self {
            sync,
            arena,
            root: None,
            procfs: None,
            devpts: None,
            empty: None,
            null: None,
            parent: None,
            copy_up: false,
            program: None,
            workdir: None,
            registers: Registers::default(),
        }
    }

    /// Executes one step.
    #[allow(clippy::too_many_lines)] // A table.
    pub fn execute(&mut self, step: &Step<'a>) -> Result<()> {
        if !matches!(step, Step::Device { .. } | Step::Symlink { .. }) {
            // It may put something else in that place.
            self.parent = None;
        }
        match *step {
            Step::Propagation { flags } => root::propagation(flags),
            Step::PrivateParent { path } => root::private_parent(path),
            Step::Root { path } => root::root(self, path),
            Step::Chroot { path } => root::chroot(self, path),
            Step::Filesystem {
                target,
                fstype,
                source,
                options,
                attr_set,
                propagation,
                no_symlinks,
                keep_mode,
                target_nofollow,
            } => {
                let symlinks = Symlinks::of(no_symlinks, target_nofollow);
                let place = mount::Place { target, propagation, symlinks, proc_file: false };
                let new = mount::Filesystem { fstype, source, options, attr_set, keep_mode };
                mount::filesystem(self, &place, &new)
            }
            Step::Bind {
                target,
                source,
                recursive,
                attr_set,
                attr_clear,
                tree_set,
                tree_clear,
                propagation,
                no_symlinks,
                procfs,
                source_nofollow,
                target_nofollow,
                proc_file,
            } => {
                let symlinks = Symlinks::of(no_symlinks, target_nofollow);
                let place = mount::Place { target, propagation, symlinks, proc_file };
                let bind = mount::Bind {
                    source,
                    nofollow: source_nofollow,
                    recursive,
                    procfs,
                    top: mount::Change { set: attr_set, clear: attr_clear },
                    tree: mount::Change { set: tree_set, clear: tree_clear },
                };
                mount::bind(self, &place, &bind)
            }
            Step::Attach { target, tree, propagation, no_symlinks, target_nofollow, proc_file } => {
                let symlinks = Symlinks::of(no_symlinks, target_nofollow);
                mount::attach(self, &mount::Place { target, propagation, symlinks, proc_file }, tree)
            }
            Step::Reconfigure { target, options } => mount::reconfigure(self, target, options),
            Step::FileLabel { path, value } => host::file_label(self, path, value),
            Step::CopyUp {} => {
                self.copy_up = true;
                Ok(())
            }
            Step::SetAttributes { path, set, clear, recursive } => {
                mount::set_attributes(self, path, mount::Change { set, clear }, recursive)
            }
            Step::Device { path, mode, major, minor, uid, gid } => {
                let kind = device::Kind { mode, major, minor };
                device::device(self, path, &device::Node { kind, uid, gid })
            }
            Step::HostDevice { path, mode, major, minor } => {
                device::host_device(self, path, &device::Kind { mode, major, minor })
            }
            Step::Symlink { path, target, exact, replace } => {
                device::symlink(self, path, target, device::Present::of(exact, replace))
            }
            Step::Directory { path, mode } => device::directory(self, path, mode),
            Step::Console { socket, rows, columns, mount } => {
                console::console(self, socket, console::Size { rows, columns }, mount)
            }
            Step::HookPoint {} => self.hook_point(),
            Step::Hook { path, timeout, pid_at, output, inside } => {
                hook::hook(self, path, &hook::Terms { timeout, pid_at, output, inside })
            }
            Step::Pivot {} => root::pivot(self),
            Step::MoveRoot {} => root::move_root(self),
            Step::Sysctl { path, value } => host::sysctl(self, path, value),
            Step::Label { path, value } => host::label(self, path, value),
            Step::Mask { path } => mask::mask(self, path),
            Step::Readonly { path } => mask::readonly(self, path),
            Step::Hostname { name } => sys::process::sethostname(name).during(Op::Name),
            Step::Domainname { name } => sys::process::setdomainname(name).during(Op::Name),
            Step::Loopback {} => host::loopback(),
            Step::Keyring { name, permissions } => host::keyring(name, permissions),
            Step::Umask { mask } => host::umask(mask),
            Step::Affinity { mask, .. } => sys::process::sched_setaffinity(mask).during(Op::Affinity),
            Step::MemoryPolicy { nodes, flags } => {
                sys::process::set_mempolicy(flags, nodes).during(Op::MemoryPolicy)
            }
            Step::Scheduler { policy, nice, priority, flags, runtime, deadline, period } => {
                let scheduling = Scheduling { policy, nice, priority, flags, runtime, deadline, period };
                sys::process::sched_setattr(scheduling).during(Op::Scheduler)
            }
            Step::IoPriority { value } => sys::process::ioprio_set(value).during(Op::IoPriority),
            Step::Personality { domain } => sys::process::personality(domain).during(Op::Personality),
            Step::Limit { resource, soft, hard } => {
                sys::process::setrlimit(resource, soft, hard).during(Op::Limit)
            }
            Step::ReopenNull {} => stdio::reopen_null(self),
            Step::ChownStdio { uid } => stdio::chown(uid),
            Step::Program { uid, gid, effective, name } => {
                program::program(self, &program::Rights { uid, gid, effective }, name)
            }
            Step::Home { uid } => home::home(self, uid),
            Step::Workdir { path } => program::workdir(self, path),
            Step::Ready { fifo } => {
                self.let_go();
                self.ready(fifo)
            }
            Step::NoNewPrivs {} => sys::cred::set_no_new_privs().during(Op::Prctl),
            Step::Credentials {
                uid,
                gid,
                setgroups,
                bounding,
                permitted,
                effective,
                inheritable,
                ambient,
            } => {
                let sets = credentials::Sets { bounding, permitted, effective, inheritable, ambient };
                credentials::credentials(self, credentials::User { uid, gid, setgroups }, &sets)
            }
            Step::Seccomp { filter, flags } => seccomp::seccomp(self, filter, flags),
            Step::Exec { keep_fds } => exec::exec(self, keep_fds),
            Step::Argv { args, .. } => fill(&mut self.arena, &mut self.registers.argv, args),
            Step::Env { vars, .. } => {
                self.registers.vars = Some(vars);
                fill(&mut self.arena, &mut self.registers.env, vars)
            }
            Step::HookArgs { args, .. } => fill(&mut self.arena, &mut self.registers.hook_args, args),
            Step::HookEnv { vars, .. } => fill(&mut self.arena, &mut self.registers.hook_env, vars),
            Step::HookStdin { text, .. } => {
                self.registers.hook_stdin = text;
                Ok(())
            }
            Step::Groups { gids, .. } => {
                self.registers.groups = Some(gids);
                Ok(())
            }
            Step::Candidates { paths, .. } => {
                self.registers.candidates = Some(paths);
                Ok(())
            }
            // `Stream::read` lets these stand only before the clone.
            Step::Version { .. }
            | Step::Fds { .. }
            | Step::Join { .. }
            | Step::Cgroup { .. }
            | Step::RaiseLimit { .. }
            | Step::Clone {}
            | Step::Born {} => Ok(()),
        }
    }

    /// What is executed: path, argv and environment; None if the plan has left out one of them.
    pub fn program(&self) -> Option<(&'a CStr, Pointers<'a>, Pointers<'a>)> {
        Some((self.program?, self.registers.argv?, self.registers.env?))
    }

    /// The root in which paths are resolved: the one that was set, otherwise "/".
    fn root(&mut self) -> Result<BorrowedFd<'_>> {
        if self.root.is_none() {
            let root = file::openat(sys::CWD, c"/", Open::PATH | Open::DIRECTORY, 0).during(Op::Open)?;
            self.root = Some(root);
        }
        self.root.as_ref().map(AsFd::as_fd).ok_or(Fault::new(Op::Open, sys::Errno::BADF))
    }

    /// Opens the directory that a path's last component is in, made when missing, and returns it with that component,
    /// which is not looked at.
    fn parent(&mut self, path: &'a CStr) -> Result<(BorrowedFd<'_>, &'a CStr)> {
        let (dir, name) = crate::inside::split(path).ok_or(Fault::new(Op::OpenTarget, sys::Errno::INVAL))?;
        if self.parent.as_ref().is_none_or(|(open, _)| *open != dir) {
            let fd = crate::inside::directory(self.root()?, dir)?;
            self.parent = Some((dir, fd));
        }
        let parent = self.parent.as_ref().map(|(_, fd)| (fd.as_fd(), name));
        parent.ok_or(Fault::new(Op::OpenTarget, sys::Errno::BADF))
    }

    fn hook_point(&self) -> Result<()> {
        self.sync.send(&ToRuntime::HookPoint)?;
        self.sync.expect(ToNsexec::HooksDone)
    }

    /// Closes what only the set-up needs: it may take long until `start`.
    fn let_go(&mut self) {
        self.root = None;
        self.devpts = None;
        self.empty = None;
        self.null = None;
    }

    /// Reports that the container is built, waits until the runtime has written that down, and then for `start`.
    fn ready(&self, fifo: u32) -> Result<()> {
        self.sync.send(&ToRuntime::Ready)?;
        self.sync.expect(ToNsexec::Start)?;
        if fifo == NO_FD {
            return Ok(());
        }
        // The runtime that made the container ends now; whoever starts it is another one.
        self.sync.close()?;
        // Open until the exec, by whose end `start` knows that all went well.
        let start = file::named(fifo).during(Op::Open)?;
        let mut byte = [0];
        loop {
            match file::read(start, &mut byte) {
                Ok(1..) => {
                    self.sync.starter_listens(fifo);
                    return Ok(());
                }
                // Nobody holds the other end any more: it will never be started.
                Ok(0) => sys::process::exit(1),
                Err(sys::Errno::INTR) => {}
                Err(errno) => return Err(Fault::new(Op::Read, errno)),
            }
        }
    }

    /// The container's null device, checked to be one: an image may hold anything at /dev/null (CVE-2025-31133).
    fn null(&mut self) -> Result<BorrowedFd<'_>> {
        if self.null.is_none() {
            let root = self.root()?;
            let null = crate::inside::open(root, c"dev/null", Open::PATH, crate::inside::Symlinks::Follow)
                .during(Op::Open)?;
            let stat = file::stat(&null).during(Op::Statx)?;
            if !file::is_character_device(&stat, 1, 3) {
                return Err(Fault::new(Op::Verify, sys::Errno::NODEV));
            }
            self.null = Some(null);
        }
        self.null.as_ref().map(AsFd::as_fd).ok_or(Fault::new(Op::Open, sys::Errno::BADF))
    }
}

/// Puts strings into a register, as the array of pointers that execve(2) takes.
fn fill<'a>(arena: &mut Arena, register: &mut Option<Pointers<'a>>, strings: Strings<'a>) -> Result<()> {
    *register = Some(Pointers::of(arena, strings.iter(), strings.count()).during(Op::Map)?);
    Ok(())
}
