//! From arguments to one command's type: flags, number of arguments, then clap.

use super::go_flags::{self, Arguments, FlagError, Order};
use super::{Error, Program, Request, help};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, Command};
use std::error::Error as _;
use std::ffi::OsString;
use std::num::{IntErrorKind, ParseIntError};

/// Reads `args` (without the command's name) as the flags and arguments of the command `name`.
pub fn command<T: Args>(
    program: &Program,
    name: &'static str,
    order: Order,
    args: &[OsString],
) -> Result<Request<T>, Error> {
    let mut command = bare_command::<T>(name);
    let text = |command: &Command| help::command(program, command);
    let arguments = go_flags::read(&command, args, order)
        .map_err(|error| flag_error(&error, "Incorrect Usage: ", text(&command)))?;
    if arguments.help {
        return Ok(Request::Print(text(&command)));
    }
    if let Some(wanted) = wrong_count(&command, arguments.positionals.len()) {
        let message = format!("{}: \"{name}\" requires {wanted} argument(s)", program.argv0);
        return Err(Error::Usage { message, stdout: format!("Incorrect Usage.\n\n{}", text(&command)) });
    }
    fill(&mut command, arguments).map_err(|error| clap_error(&error, text(&command))).map(Request::Run)
}

/// A clap command without clap's own help and version: their texts and spellings are runc's.
fn bare_command<T: Args>(name: &'static str) -> Command {
    T::augment_args(
        Command::new(name).no_binary_name(true).disable_help_flag(true).disable_version_flag(true),
    )
}

/// Has clap convert what is already unambiguous: `--flag=value` and `--switch`, then `--`, then the positionals.
fn fill<T: Args>(command: &mut Command, arguments: Arguments) -> Result<T, clap::Error> {
    let Arguments { flags, positionals, .. } = arguments;
    let flags = flags.into_iter().map(|(name, value)| {
        let mut flag = OsString::from(format!("--{name}"));
        if let Some(value) = value {
            flag.push("=");
            flag.push(value);
        }
        flag
    });
    let args = flags.chain([OsString::from("--")]).chain(positionals);
    T::from_arg_matches(&command.try_get_matches_from_mut(args)?)
}

/// An unreadable flag. `hint` comes before the error in the text on stdout, with the help after it.
pub fn flag_error(error: &FlagError, hint: &str, help: String) -> Error {
    let message = error.to_string();
    let stdout = format!("{hint}{message}\n\n{help}");
    Error::Usage { message, stdout }
}

/// Words an error of clap as runc has it: a wrong value of a flag is a usage error, a wrong argument is not.
fn clap_error(error: &clap::Error, help: String) -> Error {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.as_str(),
        _ => "",
    };
    let cause = match error.source() {
        Some(cause) => in_go_words(cause),
        None => error.kind().as_str().unwrap_or("not usable").to_owned(),
    };
    let argument = context(ContextKind::InvalidArg);
    let flag = argument.split(' ').next().and_then(|name| name.strip_prefix("--"));
    match flag {
        Some(flag) if error.kind() == ErrorKind::ValueValidation => {
            let value = context(ContextKind::InvalidValue);
            let message = format!("invalid value \"{value}\" for flag -{flag}: {cause}");
            let stdout = format!("Incorrect Usage: {message}\n\n{help}");
            Error::Usage { message, stdout }
        }
        _ => Error::Value(cause),
    }
}

/// Errors about numbers, in the words of Go's strconv; others have words of their own.
fn in_go_words(cause: &(dyn std::error::Error + 'static)) -> String {
    use IntErrorKind::{NegOverflow, PosOverflow};
    let text = cause.to_string();
    match cause.downcast_ref::<ParseIntError>().map(ParseIntError::kind) {
        Some(PosOverflow | NegOverflow) => return "value out of range".to_owned(),
        Some(_) => return "parse error".to_owned(),
        None => {}
    }
    match text.split_once(" is not in ").and_then(|(_, range)| range.split_once("..")) {
        Some((low, high)) => format!("value out of range: {low} to {}", high.trim_start_matches('=')),
        None => text,
    }
}

/// Says how many arguments the command takes, if `count` isn't it.
fn wrong_count(command: &Command, count: usize) -> Option<String> {
    let least = command.get_positionals().filter(|arg| arg.is_required_set()).count();
    let is_open = command.get_positionals().any(|arg| matches!(arg.get_action(), clap::ArgAction::Append));
    let most = command.get_positionals().count();
    if least == most && count != least {
        Some(format!("exactly {least}"))
    } else if count < least {
        Some(format!("a minimum of {least}"))
    } else if count > most && !is_open {
        Some(format!("a maximum of {most}"))
    } else {
        None
    }
}
