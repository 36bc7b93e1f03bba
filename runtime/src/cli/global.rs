//! The options before the command: where state lives, where errors go, how cgroups are driven.

use super::go_flags::{self, Flag, Order, Takes};
use super::{Error, Program, Request, help, parse};
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

/// One of the global options. They are read by every call of skeg, which should not cost what clap's tables do.
pub(super) struct GlobalFlag {
    pub long: &'static str,
    pub short: Option<char>,
    pub takes: Takes,
    pub default: Option<&'static str>,
    /// What `--help` says.
    pub help: &'static str,
}

const fn flag(long: &'static str, takes: Takes, help: &'static str) -> GlobalFlag {
    GlobalFlag { long, short: None, takes, default: None, help }
}

pub(super) const FLAGS: [GlobalFlag; 7] = [
    flag("debug", Takes::Switch, "log what happens, not only the final error"),
    flag("log", Takes::Value, "file to append log lines to, instead of stderr"),
    GlobalFlag {
        default: Some("text"),
        ..flag("log-format", Takes::Value, "how log lines look: text or json")
    },
    flag(
        "root",
        Takes::Value,
        "directory of the containers' state, best on a tmpfs [/run/skeg, or $XDG_RUNTIME_DIR/skeg if not root]",
    ),
    flag(
        "systemd-cgroup",
        Takes::Switch,
        "have systemd make the cgroups; cgroupsPath is then \"slice:prefix:name\"",
    ),
    GlobalFlag {
        default: Some("auto"),
        ..flag("rootless", Takes::Value, "bear with cgroups that can't be changed: true, false or auto")
    },
    GlobalFlag { short: Some('v'), ..flag("version", Takes::Switch, "print the version") },
];

struct Known;

impl go_flags::Flags for Known {
    fn find(&self, name: &str) -> Option<Flag<'_>> {
        let is_short = |flag: &GlobalFlag| flag.short.is_some_and(|short| name.chars().eq([short]));
        let known = FLAGS.iter().find(|flag| flag.long == name || is_short(flag))?;
        Some(Flag { long: known.long, takes: known.takes })
    }
}

pub(super) fn parse(program: &Program, args: &[OsString]) -> Result<Request<(Global, Vec<OsString>)>, Error> {
    let text = || help::program(program);
    let arguments = go_flags::read(&Known, args, Order::First)
        .map_err(|error| parse::flag_error(&error, "Incorrect Usage. ", text()))?;
    let rest = arguments.positionals;
    let has = |name: &str| arguments.flags.iter().any(|(long, _)| long == name);
    if has("version") {
        return Ok(Request::Print(program.version()));
    }
    if arguments.help || rest.is_empty() || is_help_command(&rest) {
        return Ok(Request::Print(text()));
    }
    Ok(Request::Run((resolve(&arguments.flags)?, rest)))
}

/// `help` without a topic; with one it is left to the commands.
fn is_help_command(rest: &[OsString]) -> bool {
    matches!(rest, [word] if word == "help" || word == "h")
}

fn resolve(given: &[(String, Option<OsString>)]) -> Result<Global, Error> {
    let get = |name: &str| given.iter().find(|(long, _)| long == name);
    let value = |name: &str| get(name).and_then(|(_, value)| value.as_deref());
    let log_format = match value("log-format").map(OsStr::to_string_lossy).as_deref() {
        None | Some("text") => LogFormat::Text,
        Some("json") => LogFormat::Json,
        Some(other) => return Err(Error::Value(format!("invalid log-format: {other}"))),
    };
    let rootless = match value("rootless").map(OsStr::to_string_lossy).as_deref() {
        None | Some("auto") => None,
        Some(other) => Some(
            go_flags::parse_bool(other)
                .ok_or_else(|| Error::Value(format!("invalid rootless: {other}: not true, false or auto")))?,
        ),
    };
    let (root, root_is_in_xdg) = match value("root") {
        Some(root) => (absolute_root(Path::new(root))?, false),
        None => default_root(
            Uid::effective().is_root(),
            env::var_os("XDG_RUNTIME_DIR").as_deref(),
            env::var_os("USER").as_deref(),
            crate::namespaces::is_in_user_namespace,
        ),
    };
    let log = value("log").map(PathBuf::from);
    let (debug, systemd_cgroup) = (get("debug").is_some(), get("systemd-cgroup").is_some());
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
