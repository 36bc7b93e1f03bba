//! Go-style arguments, rewritten for clap.
//!
//! Go's flag package takes `-flag` and `--flag` for the same, `=value` on every flag (also on switches), and lets
//! the last of several win. clap gets `--flag=value` and `--switch`, each at most once, then `--`, then the
//! positionals: there is one way left to read them.

use clap::{Arg, ArgAction, Command};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// Where flags may stand.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Order {
    /// Also after positionals: `create ID --bundle DIR`.
    Anywhere,
    /// Only before the first positional; what follows may be another program's arguments: `exec ID ls -l`.
    First,
}

/// A flag that can't be read, worded as by Go's flag package.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum FlagError {
    /// `---x`, `-=x`.
    #[error("bad flag syntax: {0}")]
    Syntax(String),
    /// No flag of that name.
    #[error("flag provided but not defined: -{0}")]
    Undefined(String),
    /// The last argument is a flag that takes a value.
    #[error("flag needs an argument: -{0}")]
    NoValue(String),
    /// A switch with something else than true or false.
    #[error("invalid boolean value \"{value}\" for -{flag}: parse error")]
    Boolean {
        /// The switch's name as written.
        flag: String,
        /// Its value as written.
        value: String,
    },
}

/// Arguments with one way left to read them.
#[derive(Debug, Default, PartialEq)]
pub struct Arguments {
    /// `--name=value` and `--name`.
    pub flags: Vec<OsString>,
    /// Everything else, in its order.
    pub positionals: Vec<OsString>,
    /// `-h` or `--help` was there.
    pub help: bool,
}

/// Rewrites `args` for `command`, whose flags tell what takes a value.
pub fn rewrite(command: &Command, args: &[OsString], order: Order) -> Result<Arguments, FlagError> {
    let mut out = Arguments::default();
    let mut given: Vec<Given> = Vec::new();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if arg == "--" {
            out.positionals.extend(args.by_ref().cloned());
        } else if arg == "-" || !arg.as_bytes().starts_with(b"-") {
            out.positionals.push(arg.clone());
            if order == Order::First {
                out.positionals.extend(args.by_ref().cloned());
            }
        } else {
            let (name, value) = split(arg)?;
            if matches!(name.as_str(), "h" | "help") {
                out.help = switch(&name, value)?;
                continue;
            }
            let flag = find(command, &name).ok_or_else(|| FlagError::Undefined(name.clone()))?;
            let value = match flag.get_action() {
                ArgAction::SetTrue => Value::Switch(switch(&name, value)?),
                _ => Value::Text(match value {
                    Some(value) => value.to_owned(),
                    None => args.next().cloned().ok_or(FlagError::NoValue(name))?,
                }),
            };
            Given::push(&mut given, flag, value);
        }
    }
    out.flags = given.into_iter().filter_map(Given::into_clap).collect();
    Ok(out)
}

enum Value {
    Switch(bool),
    Text(OsString),
}

struct Given<'a> {
    flag: &'a Arg,
    value: Value,
}

impl<'a> Given<'a> {
    /// The last one wins, unless the flag collects its values.
    fn push(given: &mut Vec<Given<'a>>, flag: &'a Arg, value: Value) {
        if !matches!(flag.get_action(), ArgAction::Append) {
            given.retain(|other| other.flag.get_id() != flag.get_id());
        }
        given.push(Given { flag, value });
    }

    /// None for a switch that is off, and for an empty value, which in runc is the same as none.
    fn into_clap(self) -> Option<OsString> {
        let mut text = OsString::from("--");
        text.push(self.flag.get_long()?);
        match self.value {
            Value::Switch(on) => return on.then_some(text),
            Value::Text(value) if value.is_empty() => return None,
            Value::Text(value) => {
                text.push("=");
                text.push(value);
            }
        }
        Some(text)
    }
}

/// Splits `-name`, `--name`, `-name=value` and `--name=value`.
fn split(arg: &OsStr) -> Result<(String, Option<&OsStr>), FlagError> {
    let bytes = arg.as_bytes();
    let bytes = bytes.strip_prefix(b"--").or_else(|| bytes.strip_prefix(b"-")).unwrap_or(bytes);
    let (name, value) = match bytes.iter().position(|&byte| byte == b'=') {
        Some(at) => {
            let (name, value) = bytes.split_at(at);
            (name, value.get(1..).map(OsStr::from_bytes))
        }
        None => (bytes, None),
    };
    if name.is_empty() || name.starts_with(b"-") {
        return Err(FlagError::Syntax(arg.to_string_lossy().into_owned()));
    }
    // A name that is no UTF-8 is no flag's name; the replacement characters keep it so.
    Ok((OsString::from_vec(name.to_vec()).to_string_lossy().into_owned(), value))
}

fn find<'a>(command: &'a Command, name: &str) -> Option<&'a Arg> {
    command.get_arguments().find(|arg| {
        let is_short = arg.get_short().is_some_and(|short| name.chars().eq([short]));
        is_short || arg.get_long() == Some(name)
    })
}

/// Go's strconv.ParseBool.
pub fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

fn switch(name: &str, value: Option<&OsStr>) -> Result<bool, FlagError> {
    let Some(value) = value else { return Ok(true) };
    value.to_str().and_then(parse_bool).ok_or_else(|| FlagError::Boolean {
        flag: name.to_owned(),
        value: value.to_string_lossy().into_owned(),
    })
}
