//! Help texts, laid out as runc's: scripts look for `NAME:` and `USAGE:` in them.

use super::Program;
use super::command::COMMANDS;
use super::global::{FLAGS, GlobalFlag};
use super::go_flags::Takes;
use clap::{Arg, ArgAction, Command};
use std::fmt::Write as _;

/// The text of `skeg --help`.
pub fn program(program: &Program) -> String {
    let Program { name, .. } = program;
    let mut text = format!(
        "NAME:\n   {name} - an OCI container runtime for Linux\n\n\
         {name} runs programs in containers, as the Open Container Initiative specifies it.\n\
         A container is described by a bundle: a directory with a configuration, \"config.json\",\n\
         and a root filesystem.\n\n\
         USAGE:\n   {name} [global options] command [command options] [arguments...]\n\n\
         VERSION:\n   {}\n",
        program.version().trim_start_matches(&format!("{name} version ")),
    );
    let listed = COMMANDS.iter().map(|command| (command.name.to_owned(), command.about.to_owned()));
    let rows =
        listed.chain([("help, h".to_owned(), "show this text, or the help of one command".to_owned())]);
    section(&mut text, "COMMANDS", &rows.collect::<Vec<_>>());
    let mut rows: Vec<(String, String)> = FLAGS.iter().map(global_row).collect();
    rows.push(("--help, -h".to_owned(), "show this text".to_owned()));
    text.push('\n');
    section(&mut text, "GLOBAL OPTIONS", &rows);
    text
}

/// The text of `skeg COMMAND --help`.
pub fn command(program: &Program, command: &Command) -> String {
    let name = format!("{} {}", program.name, command.get_name());
    let about =
        COMMANDS.iter().find(|known| known.name == command.get_name()).map_or("", |known| known.about);
    let options = option_rows(command);
    let mut text = format!("NAME:\n   {name} - {about}\n\nUSAGE:\n   {name}");
    if !options.is_empty() {
        text.push_str(" [command options]");
    }
    for arg in command.get_positionals() {
        let (open, close) = if arg.is_required_set() { ('<', '>') } else { ('[', ']') };
        let dots = if matches!(arg.get_action(), ArgAction::Append) { "..." } else { "" };
        // Writing to a String can't fail.
        let _ = write!(text, " {open}{}{dots}{close}", value_name(arg));
    }
    text.push('\n');
    if !options.is_empty() {
        text.push('\n');
        section(&mut text, "OPTIONS", &options);
    }
    text
}

fn global_row(flag: &GlobalFlag) -> (String, String) {
    let takes_value = flag.takes != Takes::Switch;
    (spelling(flag.long, flag.short, takes_value), explanation(flag.help, flag.default))
}

/// The command line of one option on the left, what it does on the right.
fn option_rows(command: &Command) -> Vec<(String, String)> {
    let options = command.get_arguments().filter(|arg| !arg.is_positional() && !arg.is_hide_set());
    let row = |arg: &Arg| {
        let takes_value = !matches!(arg.get_action(), ArgAction::SetTrue);
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let default =
            arg.get_default_values().first().filter(|_| takes_value).map(|value| value.to_string_lossy());
        let name = spelling(arg.get_long().unwrap_or_default(), arg.get_short(), takes_value);
        (name, explanation(&help, default.as_deref()))
    };
    options.map(row).collect()
}

fn spelling(long: &str, short: Option<char>, takes_value: bool) -> String {
    let value = if takes_value { " value" } else { "" };
    let mut text = format!("--{long}{value}");
    if let Some(short) = short {
        text.push_str(&format!(", -{short}{value}"));
    }
    text
}

fn explanation(help: &str, default: Option<&str>) -> String {
    default.map_or_else(|| help.to_owned(), |default| format!("{help} (default: {default})"))
}

fn value_name(arg: &Arg) -> String {
    arg.get_value_names().and_then(<[_]>::first).map(ToString::to_string).unwrap_or_default()
}

/// Appends a title and its rows in two columns.
fn section(text: &mut String, title: &str, rows: &[(String, String)]) {
    let width = rows.iter().map(|(left, _)| left.len()).max().unwrap_or(0);
    text.push_str(title);
    text.push_str(":\n");
    for (left, right) in rows {
        text.push_str(format!("   {left:width$}  {right}").trim_end());
        text.push('\n');
    }
}
