//! The commands: one struct each, with runc's flags, and ours (`plan`, `try`).
//!
//! The doc comment of a flag is its help text, hence the lower case.

use super::format::{CheckFormat, Format, PlanFormat};
use super::go_flags::Order;
use super::size::Size;
use super::{Error, Program, Request, parse};
use crate::container::{Id, Signal};
use clap::Args;
use std::ffi::OsString;
use std::path::PathBuf;

/// A command with its flags and arguments.
#[derive(Debug, PartialEq)]
#[allow(missing_docs, reason = "each variant is the command of that name; COMMANDS says what it does")]
pub enum Command {
    Check(Check),
    Create(Create),
    Delete(Delete),
    Exec(Box<Exec>),
    Features(Features),
    Kill(Kill),
    List(List),
    Pause(Pause),
    Plan(Plan),
    Ps(Ps),
    Resume(Resume),
    Run(Run),
    Spec(Spec),
    Start(Start),
    State(State),
    Try(Try),
    Update(Box<Update>),
}

pub(super) struct Listed {
    pub name: &'static str,
    pub about: &'static str,
}

const fn listed(name: &'static str, about: &'static str) -> Listed {
    Listed { name, about }
}

/// What `--help` lists.
pub(super) const COMMANDS: &[Listed] = &[
    listed("check", "say what is wrong with a bundle, or what this host lacks for it"),
    listed("create", "create a container; `start` then runs its program"),
    listed("delete", "remove a stopped container and all that belongs to it"),
    listed("exec", "run another program in a container"),
    listed("features", "print what this build supports, as JSON"),
    listed("kill", "send a signal to a container's first process"),
    listed("list", "list the containers below --root"),
    listed("pause", "freeze all processes of a container"),
    listed("plan", "print the steps that a bundle compiles to, without doing them"),
    listed("ps", "show the processes of a container"),
    listed("resume", "thaw all processes of a paused container"),
    listed("run", "create a container, start it, and delete it at its end"),
    listed("spec", "write a config.json to start from"),
    listed("start", "run the program of a created container"),
    listed("state", "print the state of a container, as JSON"),
    listed("try", "run a program in a throw-away container made from this host"),
    listed("update", "change the resource limits of a container"),
];

pub(super) fn parse(program: &Program, args: &[OsString]) -> Result<Request<Command>, Error> {
    let [word, args @ ..] = args else { return Err(Error::UnknownCommand(String::new())) };
    if let ("help" | "h", [topic, ..]) = (word.to_str().unwrap_or_default(), args) {
        return parse_named(program, &topic.to_string_lossy(), &[OsString::from("--help")]);
    }
    parse_named(program, &word.to_string_lossy(), args)
}

fn parse_named(program: &Program, name: &str, args: &[OsString]) -> Result<Request<Command>, Error> {
    use Order::{Anywhere, First};
    macro_rules! command {
        ($name:literal, $order:expr, $variant:expr) => {
            Ok(match parse::command(program, $name, $order, args)? {
                Request::Run(args) => Request::Run($variant(args)),
                Request::Print(text) => Request::Print(text),
            })
        };
    }
    match name {
        "check" => command!("check", Anywhere, Command::Check),
        "create" => command!("create", Anywhere, Command::Create),
        "delete" => command!("delete", Anywhere, Command::Delete),
        "exec" => command!("exec", First, |args| Command::Exec(Box::new(args))),
        "features" => command!("features", Anywhere, Command::Features),
        "kill" => command!("kill", Anywhere, Command::Kill),
        "list" => command!("list", Anywhere, Command::List),
        "pause" => command!("pause", Anywhere, Command::Pause),
        "plan" => command!("plan", Anywhere, Command::Plan),
        "ps" => command!("ps", First, Command::Ps),
        "resume" => command!("resume", Anywhere, Command::Resume),
        "run" => command!("run", Anywhere, Command::Run),
        "spec" => command!("spec", Anywhere, Command::Spec),
        "start" => command!("start", Anywhere, Command::Start),
        "state" => command!("state", Anywhere, Command::State),
        "try" => command!("try", First, Command::Try),
        "update" => command!("update", Anywhere, |args| Command::Update(Box::new(args))),
        _ => Err(Error::UnknownCommand(name.to_owned())),
    }
}

/// What `create` and `run` share.
#[derive(Debug, Args, PartialEq)]
pub struct Create {
    /// directory of the bundle, instead of the current one
    #[arg(long, short)]
    pub bundle: Option<PathBuf>,
    /// AF_UNIX socket that gets the master end of the container's terminal
    #[arg(long)]
    pub console_socket: Option<PathBuf>,
    /// AF_UNIX socket that gets a pidfd of the container's first process
    #[arg(long)]
    pub pidfd_socket: Option<PathBuf>,
    /// file to write the process ID to
    #[arg(long)]
    pub pid_file: Option<PathBuf>,
    /// move the root filesystem instead of pivot_root(2), for a root on a ramdisk
    #[arg(long)]
    pub no_pivot: bool,
    /// keep the caller's session keyring
    #[arg(long)]
    pub no_new_keyring: bool,
    /// pass N more file descriptors to the container, after stdio and $LISTEN_FDS
    #[arg(long, default_value_t = 0)]
    pub preserve_fds: u32,
    /// The container's name.
    #[arg(value_name = "container-id")]
    pub id: Id,
}

/// `skeg run`.
#[derive(Debug, Args, PartialEq)]
pub struct Run {
    /// What `create` takes too.
    #[command(flatten)]
    pub create: Create,
    /// don't wait for the container
    #[arg(long, short)]
    pub detach: bool,
    /// don't delete the container at its end
    #[arg(long)]
    pub keep: bool,
    /// don't adopt what the container leaves behind
    #[arg(long)]
    pub no_subreaper: bool,
}

/// `skeg start`.
#[derive(Debug, Args, PartialEq)]
pub struct Start {
    /// The container's name.
    #[arg(value_name = "container-id")]
    pub id: Id,
}

/// `skeg exec`.
#[derive(Debug, Args, PartialEq)]
pub struct Exec {
    /// AF_UNIX socket that gets the master end of the process's terminal
    #[arg(long)]
    pub console_socket: Option<PathBuf>,
    /// AF_UNIX socket that gets a pidfd of the process
    #[arg(long)]
    pub pidfd_socket: Option<PathBuf>,
    /// working directory inside the container
    #[arg(long)]
    pub cwd: Option<PathBuf>,
    /// NAME=VALUE to add to the environment
    #[arg(long, short)]
    pub env: Vec<String>,
    /// give the process a terminal
    #[arg(long, short)]
    pub tty: bool,
    /// user to run as: UID[:GID]
    #[arg(long, short)]
    pub user: Option<String>,
    /// supplementary group ID to add
    #[arg(long, short = 'g')]
    pub additional_gids: Vec<u32>,
    /// file with the process to run, as in config.json
    #[arg(long, short)]
    pub process: Option<PathBuf>,
    /// don't wait for the process
    #[arg(long, short)]
    pub detach: bool,
    /// file to write the process ID to
    #[arg(long)]
    pub pid_file: Option<PathBuf>,
    /// SELinux label of the process
    #[arg(long)]
    pub process_label: Option<String>,
    /// AppArmor profile of the process
    #[arg(long)]
    pub apparmor: Option<String>,
    /// execve(2) gives no more privileges from here on
    #[arg(long)]
    pub no_new_privs: bool,
    /// capability to add
    #[arg(long, short)]
    pub cap: Vec<String>,
    /// pass N more file descriptors to the process, after stdio and $LISTEN_FDS
    #[arg(long, default_value_t = 0)]
    pub preserve_fds: u32,
    /// run in an existing cgroup below the container's: [controller[,controller...]:]path
    #[arg(long)]
    pub cgroup: Vec<String>,
    /// also in a paused container
    #[arg(long)]
    pub ignore_paused: bool,
    /// The container's name.
    #[arg(value_name = "container-id")]
    pub id: Id,
    /// The program and its arguments.
    #[arg(value_name = "command")]
    pub command: Vec<String>,
}

/// `skeg kill`.
#[derive(Debug, Args, PartialEq)]
pub struct Kill {
    /// accepted from old callers: a stopped container is then no error
    #[arg(long, short, hide = true)]
    pub all: bool,
    /// The container's name.
    #[arg(value_name = "container-id")]
    pub id: Id,
    /// A number, or a name with or without SIG.
    #[arg(value_name = "signal")]
    pub signal: Option<Signal>,
}

/// `skeg delete`.
#[derive(Debug, Args, PartialEq)]
pub struct Delete {
    /// kill the container first if it runs, and be content if there is none
    #[arg(long, short)]
    pub force: bool,
    /// The container's name.
    #[arg(value_name = "container-id")]
    pub id: Id,
}

/// `skeg list`.
#[derive(Debug, Args, PartialEq)]
pub struct List {
    /// table or json
    #[arg(long, short, default_value_t)]
    pub format: Format,
    /// only the names
    #[arg(long, short)]
    pub quiet: bool,
}

/// `skeg state`.
#[derive(Debug, Args, PartialEq)]
pub struct State {
    /// The container's name.
    #[arg(value_name = "container-id")]
    pub id: Id,
}

/// `skeg ps`.
#[derive(Debug, Args, PartialEq)]
pub struct Ps {
    /// table or json
    #[arg(long, short, default_value_t)]
    pub format: Format,
    /// The container's name.
    #[arg(value_name = "container-id")]
    pub id: Id,
    /// What ps(1) is called with, instead of -ef.
    #[arg(value_name = "ps options")]
    pub ps_options: Vec<OsString>,
}

/// `skeg pause`.
#[derive(Debug, Args, PartialEq)]
pub struct Pause {
    /// The container's name.
    #[arg(value_name = "container-id")]
    pub id: Id,
}

/// `skeg resume`.
#[derive(Debug, Args, PartialEq)]
pub struct Resume {
    /// The container's name.
    #[arg(value_name = "container-id")]
    pub id: Id,
}

/// `skeg update`.
#[derive(Debug, Args, PartialEq)]
pub struct Update {
    /// file with the limits, as linux.resources in config.json; - for stdin; other options are then ignored
    #[arg(long, short)]
    pub resources: Option<PathBuf>,
    /// share of block I/O: 10 to 1000
    #[arg(long)]
    pub blkio_weight: Option<u16>,
    /// CFS period in microseconds
    #[arg(long)]
    pub cpu_period: Option<u64>,
    /// CPU time in microseconds for each period
    #[arg(long)]
    pub cpu_quota: Option<i64>,
    /// CPU time in microseconds that may be saved up
    #[arg(long)]
    pub cpu_burst: Option<u64>,
    /// share of CPU time: 2 to 262144
    #[arg(long)]
    pub cpu_share: Option<u64>,
    /// realtime period in microseconds
    #[arg(long)]
    pub cpu_rt_period: Option<u64>,
    /// realtime CPU time in microseconds for each period
    #[arg(long)]
    pub cpu_rt_runtime: Option<i64>,
    /// CPUs to use: 0-3,7
    #[arg(long)]
    pub cpuset_cpus: Option<String>,
    /// memory nodes to use: 0-1
    #[arg(long)]
    pub cpuset_mems: Option<String>,
    /// 1: run only where no other wants the CPU; 0: as usual
    #[arg(long)]
    pub cpu_idle: Option<i64>,
    /// memory limit: bytes, or with a unit such as 512m; -1 for none
    #[arg(long)]
    pub memory: Option<Size>,
    /// memory to keep when it is scarce
    #[arg(long)]
    pub memory_reservation: Option<Size>,
    /// limit of memory and swap together; -1 for none
    #[arg(long)]
    pub memory_swap: Option<Size>,
    /// number of processes; -1 for no limit
    #[arg(long)]
    pub pids_limit: Option<i64>,
    /// Intel RDT: L3 cache schema
    #[arg(long)]
    pub l3_cache_schema: Option<String>,
    /// Intel RDT: memory bandwidth schema
    #[arg(long)]
    pub mem_bw_schema: Option<String>,
    /// accepted from old callers, without effect
    #[arg(long, hide = true)]
    pub kernel_memory: Option<Size>,
    /// accepted from old callers, without effect
    #[arg(long, hide = true)]
    pub kernel_memory_tcp: Option<Size>,
    /// The container's name.
    #[arg(value_name = "container-id")]
    pub id: Id,
}

/// `skeg spec`.
#[derive(Debug, Args, PartialEq)]
pub struct Spec {
    /// directory to write to, instead of the current one
    #[arg(long, short)]
    pub bundle: Option<PathBuf>,
    /// for a container without root privileges
    #[arg(long)]
    pub rootless: bool,
}

/// `skeg features`.
#[derive(Debug, Args, PartialEq)]
pub struct Features {}

/// `skeg check`.
#[derive(Debug, Args, PartialEq)]
pub struct Check {
    /// text or json
    #[arg(long, short, default_value_t)]
    pub format: CheckFormat,
    /// The bundle's directory.
    #[arg(value_name = "bundle")]
    pub bundle: PathBuf,
}

/// `skeg plan`.
#[derive(Debug, Args, PartialEq)]
pub struct Plan {
    /// text, json, bytes or hex
    #[arg(long, short, default_value_t)]
    pub format: PlanFormat,
    /// The bundle's directory.
    #[arg(value_name = "bundle")]
    pub bundle: PathBuf,
}

/// `skeg try`.
#[derive(Debug, Args, PartialEq)]
pub struct Try {
    /// The program and its arguments; none for a shell.
    #[arg(value_name = "command")]
    pub command: Vec<String>,
}
