//! Log lines in runc's two formats, and the final error, which is what callers read of them.
//!
//! podman parses the whole log as one JSON object. So at the default level nothing is logged but the final error,
//! once, by `main` through [`report_error`].

use crate::cli::{Global, LogFormat};
use env_logger::{Builder, Target, WriteStyle};
use log::{Level, LevelFilter};
use nix::errno::Errno;
use serde::Serialize;
use std::borrow::Cow;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The log file can't be opened.
#[derive(Debug, thiserror::Error)]
#[error("open log file {}: {}", .path.display(), crate::errno::words(*errno))]
pub struct Error {
    path: PathBuf,
    errno: Errno,
}

/// Sends what is logged from here on to where the options say. Only the first call of a process counts.
pub fn init(global: &Global) -> Result<(), Error> {
    let target = match log_file(global) {
        Some(path) => Target::Pipe(Box::new(open(path)?)),
        None => Target::Stderr,
    };
    let format = global.log_format;
    let first = Builder::new()
        .filter_level(if global.debug { LevelFilter::Debug } else { LevelFilter::Error })
        .write_style(WriteStyle::Never)
        .target(target)
        .format(move |out, record| {
            out.write_all(
                line(format, record.level(), &record.args().to_string(), SystemTime::now()).as_bytes(),
            )
        })
        .try_init();
    // An error says that there is a logger already.
    drop(first);
    Ok(())
}

/// Reports the error that ends this process: into the log, and, if that is a file, on stderr as well, as plain text;
/// some callers read the one, some the other. Never more than one line each, and one that they read to its end.
pub fn report_error(global: &Global, message: &str) {
    let message = &shortened(message);
    log::error!("{message}");
    if log_file(global).is_some() {
        print_stderr(message);
    }
}

/// Reports an error of the options that say where to log, which thus go to stderr.
pub fn report_early_error(message: &str) {
    write_stderr(&line(LogFormat::Text, Level::Error, &shortened(message), SystemTime::now()));
}

/// Prints a message on stderr, as one line of plain text.
pub fn print_stderr(message: &str) {
    write_stderr(&format!("{}\n", one_line(message)));
}

/// conmon hands on the first 8 KiB of a log. What was attempted is at the start of a message, the reason is at its end, and
/// what has no end is in between: an argument, a key, a path.
fn shortened(message: &str) -> Cow<'_, str> {
    const START: usize = 5000;
    const END: usize = 2000;
    // At most, in either format of the log.
    let written = |c: char| match c {
        '"' | '\\' => 2,
        ' '..='~' => 1,
        _ => 10,
    };
    if message.chars().map(written).sum::<usize>() <= START + END {
        return message.into();
    }
    let fitting = |length: usize| {
        let mut left = length;
        move |c: &char| {
            let fits = left.checked_sub(written(*c));
            left = fits.unwrap_or(0);
            fits.is_some()
        }
    };
    let start: usize = message.chars().take_while(fitting(START)).map(char::len_utf8).sum();
    let end: usize = message.chars().rev().take_while(fitting(END)).map(char::len_utf8).sum();
    let (start, end) = (message.get(..start), message.get(message.len() - end..));
    format!("{} [...] {}", start.unwrap_or_default(), end.unwrap_or_default()).into()
}

fn write_stderr(text: &str) {
    // There is nobody left to tell.
    let _ = io::stderr().write_all(text.as_bytes());
}

/// The file to log to; stderr by its name in /dev is stderr.
fn log_file(global: &Global) -> Option<&Path> {
    global.log.as_deref().filter(|&path| path != Path::new("/dev/stderr"))
}

/// Opens a log to append to. A link in its place may lead root to a foreign file, and a FIFO without a reader must
/// not make us wait (ENXIO then). /dev/stdout is a link that users do mean.
fn open(path: &Path) -> Result<File, Error> {
    let flags = if path == Path::new("/dev/stdout") { 0 } else { libc::O_NOFOLLOW };
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o644)
        .custom_flags(flags | libc::O_NONBLOCK)
        .open(path)
        .map_err(|error| Error {
            path: path.to_owned(),
            errno: Errno::from_raw(error.raw_os_error().unwrap_or(0)),
        })
}

/// One line of the log, with the newline.
fn line(format: LogFormat, level: Level, message: &str, now: SystemTime) -> String {
    let time = humantime::format_rfc3339_seconds(now).to_string();
    let level = match level {
        Level::Error => "error",
        Level::Warn => "warning",
        Level::Info => "info",
        Level::Debug => "debug",
        Level::Trace => "trace",
    };
    match format {
        LogFormat::Text => format!("time=\"{time}\" level={level} msg={}\n", text_value(message)),
        LogFormat::Json => {
            let entry = JsonLine { level, msg: message, time: &time };
            // Strings always serialize.
            let mut json = serde_json::to_string(&entry).unwrap_or_default();
            json.push('\n');
            json
        }
    }
}

#[derive(Serialize)]
struct JsonLine<'a> {
    level: &'a str,
    msg: &'a str,
    time: &'a str,
}

/// A value in logrus's text format: bare if it can't be misread, else quoted.
fn text_value(text: &str) -> String {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || b"-._/@^+".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_bare) { text.to_owned() } else { quote(text) }
}

/// Go's `%q`.
fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            _ => push_escaped(&mut out, c),
        }
    }
    out.push('"');
    out
}

/// A text on one line, whatever is in it. It may hold what an image chose, and a terminal would obey that.
pub fn one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    text.chars().for_each(|c| push_escaped(&mut out, c));
    out
}

fn push_escaped(out: &mut String, c: char) {
    let letter = match c {
        '\x07' => 'a',
        '\x08' => 'b',
        '\x0c' => 'f',
        '\n' => 'n',
        '\r' => 'r',
        '\t' => 't',
        '\x0b' => 'v',
        '"' | '\'' | '\\' | ' '..='~' => return out.push(c),
        // Debug formatting escapes exactly what isn't printable.
        _ if c.is_ascii() || c.escape_debug().len() > 1 => {
            let code = u32::from(c);
            // Writing to a String can't fail.
            let _ = match code {
                0..0x80 => write!(out, "\\x{code:02x}"),
                0x80..0x10000 => write!(out, "\\u{code:04x}"),
                _ => write!(out, "\\U{code:08x}"),
            };
            return;
        }
        _ => return out.push(c),
    };
    out.extend(['\\', letter]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_305_215)
    }

    #[test]
    fn text_line_is_logrus() {
        let text = line(LogFormat::Text, Level::Error, "container \"x\" does not exist", at());
        assert_eq!(
            text,
            "time=\"2026-11-21T23:53:35Z\" level=error msg=\"container \\\"x\\\" does not exist\"\n"
        );
        assert_eq!(
            line(LogFormat::Text, Level::Debug, "a-b", at()),
            "time=\"2026-11-21T23:53:35Z\" level=debug msg=a-b\n"
        );
    }

    #[test]
    fn json_line_is_one_object_with_the_keys_that_containerd_reads() {
        let text = line(LogFormat::Json, Level::Error, "a\nb \u{1b}[31m", at());
        assert_eq!(text.matches('\n').count(), 1);
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"level": "error", "msg": "a\nb \u{1b}[31m", "time": "2026-11-21T23:53:35Z"})
        );
    }

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        assert_eq!(
            quote("a\nb\r\t\x07\x1b[0m\x7f \u{202e}\u{2028} \u{e4}\u{1f600} '\\"),
            r#""a\nb\r\t\a\x1b[0m\x7f \u202e\u2028 ä😀 '\\""#
        );
        assert_eq!(one_line("x \"y\"\n\u{85}"), "x \"y\"\\n\\u0085");
        assert_eq!(text_value(""), "\"\"");
    }

    #[test]
    fn a_long_message_keeps_its_start_and_its_reason() {
        let short = "mounts[3] (/data): EINVAL: invalid argument";
        assert_eq!(shortened(short), short);
        for middle in ["x", "\u{1}", "\"", "\u{1f600}", "\u{10ffff}"] {
            let message = format!("run failed: exec: {}: not found", middle.repeat(20_000));
            let message = shortened(&message);
            assert!(
                message.starts_with("run failed: exec: ") && message.ends_with(": not found"),
                "{message}"
            );
            for format in [LogFormat::Text, LogFormat::Json] {
                let length = line(format, Level::Error, &message, at()).len();
                assert!((1000..8192).contains(&length), "{length} bytes with {middle:?}");
            }
        }
    }

    #[test]
    fn link_in_place_of_the_log_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let (target, link) = (directory.path().join("target"), directory.path().join("link"));
        std::os::unix::fs::symlink(&target, &link).unwrap();

        let error = open(&link).unwrap_err();

        assert_eq!(error.errno, Errno::ELOOP);
        assert!(error.to_string().starts_with("open log file /"), "{error}");
        assert!(!target.exists());
    }

    #[test]
    fn log_is_appended_to() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        for text in ["a", "b"] {
            open(&path).unwrap().write_all(text.as_bytes()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), "ab");
    }

    #[test]
    fn fifo_without_reader_is_an_error_and_no_wait() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fifo");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(open(&path).unwrap_err().errno, Errno::ENXIO);
    }
}
