//! Go-style arguments, so that there is one way left to read them.
//!
//! Go's flag package takes `-flag` and `--flag` for the same, `=value` on every flag (also on switches), and lets
//! the last of several win. What comes out has each flag by its long name, once, and the positionals.

use clap::{ArgAction, Command};
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

/// A flag, as far as reading it depends on it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Flag<'a> {
    /// Its long name, by which it is known however it was written.
    pub long: &'a str,
    /// What comes with it.
    pub takes: Takes,
}

/// What comes with a flag.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Takes {
    /// Nothing, or true or false.
    Switch,
    /// A value; the last one counts.
    Value,
    /// A value each time.
    Values,
}

/// Who knows the flags of a command.
pub trait Flags {
    /// The flag of this long or short name.
    fn find(&self, name: &str) -> Option<Flag<'_>>;
}

impl Flags for Command {
    fn find(&self, name: &str) -> Option<Flag<'_>> {
        let known = self.get_arguments().find(|arg| {
            let is_short = arg.get_short().is_some_and(|short| name.chars().eq([short]));
            is_short || arg.get_long() == Some(name)
        })?;
        let takes = match known.get_action() {
            ArgAction::SetTrue => Takes::Switch,
            ArgAction::Append => Takes::Values,
            _ => Takes::Value,
        };
        Some(Flag { long: known.get_long()?, takes })
    }
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
    /// By their long names; without a value for a switch that is on.
    pub flags: Vec<(String, Option<OsString>)>,
    /// Everything else, in its order.
    pub positionals: Vec<OsString>,
    /// `-h` or `--help` was there.
    pub help: bool,
}

/// Reads `args` as the flags that `known` knows, and the rest.
pub fn read(known: &impl Flags, args: &[OsString], order: Order) -> Result<Arguments, FlagError> {
    let mut out = Arguments::default();
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
            let flag = known.find(&name).ok_or_else(|| FlagError::Undefined(name.clone()))?;
            let value = match (flag.takes, value) {
                (Takes::Switch, value) => switch(&name, value)?.then_some(None),
                (_, Some(value)) => Some(Some(value.to_owned())),
                (_, None) => Some(Some(args.next().cloned().ok_or(FlagError::NoValue(name))?)),
            };
            out.give(flag, value);
        }
    }
    Ok(out)
}

impl Arguments {
    /// The last one wins, unless the flag collects its values. Gone is a switch that is off, and a flag with an empty value,
    /// which in runc is the same as none.
    fn give(&mut self, flag: Flag<'_>, value: Option<Option<OsString>>) {
        if flag.takes != Takes::Values {
            self.flags.retain(|(long, _)| long != flag.long);
        }
        if let Some(value) = value.filter(|value| value.as_ref().is_none_or(|value| !value.is_empty())) {
            self.flags.push((flag.long.to_owned(), value));
        }
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
