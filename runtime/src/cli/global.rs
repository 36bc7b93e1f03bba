//! The options before the command: where state lives, where errors go, how cgroups are driven.

use super::go_flags::{self, Order};
use super::{Error, Program, Request, help, parse};
use clap::Args;
use nix::unistd::Uid;
use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

/// The global options, resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct Global {
    /// Where the containers' state directories are; absolute.
    pub root: PathBuf,
    /// `root` lies in $XDG_RUNTIME_DIR, where it needs the sticky bit: others clean up there what looks old.
    pub root_is_in_xdg: bool,
    /// Log more than the final error.
    pub debug: bool,
    /// The file to log to; none for stderr.
    pub log: Option<PathBuf>,
    /// How log lines look.
    pub log_format: LogFormat,
    /// `linux.cgroupsPath` is `slice:prefix:name`, and systemd makes the cgroups.
    pub systemd_cgroup: bool,
    /// Whether to bear with cgroups that can't be changed; none to find out.
    pub rootless: Option<bool>,
}

impl Default for Global {
    fn default() -> Self {
        Self {
            root: PathBuf::from(ROOT),
            root_is_in_xdg: false,
            debug: false,
            log: None,
            log_format: LogFormat::default(),
            systemd_cgroup: false,
            rootless: None,
        }
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// `time="..." level=error msg="..."`
    #[default]
    Text,
    /// `{"level":"error","msg":"...","time":"..."}`
    Json,
}

const ROOT: &str = "/run/skeg";

/// The global options as written.
#[derive(Debug, Args)]
struct Flags {
    /// log what happens, not only the final error
    #[arg(long)]
    debug: bool,
    /// file to append log lines to, instead of stderr
    #[arg(long)]
    log: Option<PathBuf>,
    /// how log lines look: text or json
    #[arg(long, default_value = "text")]
    log_format: String,
    /// directory of the containers' state, best on a tmpfs [/run/skeg, or $XDG_RUNTIME_DIR/skeg if not root]
    #[arg(long)]
    root: Option<PathBuf>,
    /// have systemd make the cgroups; cgroupsPath is then "slice:prefix:name"
    #[arg(long)]
    systemd_cgroup: bool,
    /// bear with cgroups that can't be changed: true, false or auto
    #[arg(long, default_value = "auto")]
    rootless: String,
    /// print the version
    #[arg(long, short)]
    version: bool,
}

pub(super) fn parse(program: &Program, args: &[OsString]) -> Result<Request<(Global, Vec<OsString>)>, Error> {
    let mut command = parse::bare_command::<Flags>("global");
    let text = |command: &clap::Command| help::program(program, command);
    let mut arguments = go_flags::rewrite(&command, args, Order::First)
        .map_err(|error| parse::flag_error(&error, "Incorrect Usage. ", text(&command)))?;
    let rest = std::mem::take(&mut arguments.positionals);
    let has_help = arguments.help || rest.is_empty();
    let flags: Flags = parse::fill(&mut command, arguments)
        .map_err(|error| parse::clap_error(&error, "Incorrect Usage. ", text(&command)))?;
    if flags.version {
        return Ok(Request::Print(program.version()));
    }
    if has_help || is_help_command(&rest) {
        return Ok(Request::Print(text(&command)));
    }
    Ok(Request::Run((resolve(flags)?, rest)))
}

/// `help` without a topic; with one it is left to the commands.
fn is_help_command(rest: &[OsString]) -> bool {
    matches!(rest, [word] if word == "help" || word == "h")
}

fn resolve(flags: Flags) -> Result<Global, Error> {
    let log_format = match flags.log_format.as_str() {
        "text" => LogFormat::Text,
        "json" => LogFormat::Json,
        other => return Err(Error::Value(format!("invalid log-format: {other}"))),
    };
    let rootless = match flags.rootless.as_str() {
        "auto" => None,
        other => Some(
            go_flags::parse_bool(other)
                .ok_or_else(|| Error::Value(format!("invalid rootless: {other}: not true, false or auto")))?,
        ),
    };
    let (root, root_is_in_xdg) = match flags.root {
        Some(root) => (absolute_root(&root)?, false),
        None => default_root(
            Uid::effective().is_root(),
            env::var_os("XDG_RUNTIME_DIR").as_deref(),
            env::var_os("USER").as_deref(),
            crate::facts::is_in_user_namespace,
        ),
    };
    let Flags { debug, log, systemd_cgroup, .. } = flags;
    Ok(Global { root, root_is_in_xdg, debug, log, log_format, systemd_cgroup, rootless })
}

/// Makes `root` absolute without looking at the disk, as Go's filepath.Abs does. The directory itself is made with
/// the first container.
fn absolute_root(root: &Path) -> Result<PathBuf, Error> {
    let absolute = std::path::absolute(root)
        .map_err(|_| Error::Value("option --root: there is no current directory to start from".to_owned()))?;
    let mut clean = PathBuf::new();
    for component in absolute.components() {
        match component {
            Component::ParentDir => {
                clean.pop();
            }
            other => clean.push(other),
        }
    }
    if clean == Path::new("/") {
        return Err(Error::Value("option --root must not be /".to_owned()));
    }
    Ok(clean)
}

/// Where state lives when `--root` doesn't say it, and whether that is in $XDG_RUNTIME_DIR.
///
/// An empty variable counts as unset: podman passes it so. In a user namespace euid 0 is no proof of being root;
/// $USER tells whether it was entered as a plain user (runc's rule).
pub(super) fn default_root(
    is_root: bool,
    xdg_runtime_dir: Option<&OsStr>,
    user: Option<&OsStr>,
    is_in_user_namespace: impl FnOnce() -> bool,
) -> (PathBuf, bool) {
    match xdg_runtime_dir.filter(|dir| !dir.is_empty()) {
        Some(dir) if !is_root || (user != Some(OsStr::new("root")) && is_in_user_namespace()) => {
            (Path::new(dir).join("skeg"), true)
        }
        _ => (PathBuf::from(ROOT), false),
    }
}
