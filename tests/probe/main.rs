//! The program that the containers of the tests run: it does what its arguments say, and prints as JSON what it sees
//! from inside. One static file, so that a root filesystem needs nothing else.
//!
//! Arguments are commands, joined by `then`: `probe see caps cwd then exit 3`.

mod see;
mod sys;

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::{env, fs, process};

use serde_json::{Map, Value, json};

fn main() {
    // Before anything else may open a descriptor: what `see fds` reports is what the program was started with.
    let fds = see::open_fds();
    let args: Vec<String> = env::args().skip(1).collect();
    for command in args.split(|word| word == "then") {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        if let Err(error) = perform(&words, &fds) {
            eprintln!("probe {}: {error}", words.join(" "));
            process::exit(99);
        }
    }
}

fn perform(words: &[&str], fds: &Value) -> io::Result<()> {
    match *words {
        ["see", ref what @ ..] => say(&seen(what, fds)),
        ["save", path, ref what @ ..] => fs::write(path, seen(what, fds)),
        ["say", text] => say(text),
        ["complain", text] => writeln!(io::stderr(), "{text}"),
        ["cat"] => {
            let mut input = Vec::new();
            io::stdin().read_to_end(&mut input)?;
            io::stdout().write_all(&input)?;
            io::stdout().flush()
        }
        ["read", path] => fs::read(path).map(drop),
        ["write", path, text] => fs::write(path, text),
        ["append", path, text] => fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)?
            .write_all(format!("{text}\n").as_bytes()),
        ["copy-stdin", path] => {
            let mut input = Vec::new();
            io::stdin().read_to_end(&mut input)?;
            fs::write(path, input)
        }
        ["strike", signal, until] => sys::strike_all(number(signal)?, Path::new(until)),
        ["become", user] => sys::become_user(number(user)?),
        ["exit", code] => process::exit(number(code)?),
        ["die", signal] => sys::die_by(number(signal)?),
        ["pause"] => pause(),
        ["orphan"] => sys::leave_child_behind(pause),
        ["leave-thread"] => sys::leave_thread_behind(),
        ["fork", count] => say(&sys::fork_at_once(number(count)?).to_string()),
        ["eat", mebibytes] => say(&sys::touch_memory(number::<usize>(mebibytes)? << 20).to_string()),
        ["notify", message] => notify(message),
        ["overwrite", stage, until] => say(&overwrite(stage, Path::new(until))?.to_string()),
        ["pry", stage, until] => say(&pry(stage, Path::new(until))?.to_string()),
        ref other => Err(io::Error::other(format!("unknown command {other:?}"))),
    }
}

/// The sections called for, as one JSON object.
fn seen(sections: &[&str], fds: &Value) -> String {
    let mut seen = Map::new();
    for name in sections {
        let value = if *name == "fds" { fds.clone() } else { see::section(name) };
        seen.insert((*name).to_owned(), value);
    }
    Value::Object(seen).to_string()
}

/// Says `ready`, then a line for each signal that comes, until SIGTERM or SIGINT ends it with code 0.
///
/// The signals are blocked and fetched, so that none is lost and pid 1 can be killed by them like anyone else.
fn pause() -> io::Result<()> {
    let mut signals = sys::AllSignals::block()?;
    say("ready")?;
    loop {
        let signal = signals.next()?;
        match signal {
            libc::SIGWINCH => say(&format!("size {}", see::section("tty")["size"]))?,
            // SIGURG: Go programs send it to themselves all the time, and runc passes it on.
            libc::SIGCHLD | libc::SIGURG => {}
            _ => say(&format!("signal {signal}"))?,
        }
        if signal == libc::SIGTERM || signal == libc::SIGINT {
            process::exit(0);
        }
    }
}

fn notify(message: &str) -> io::Result<()> {
    let path = env::var("NOTIFY_SOCKET").map_err(|_| io::Error::other("NOTIFY_SOCKET is not set"))?;
    std::os::unix::net::UnixDatagram::unbound()?.send_to(message.as_bytes(), path)?;
    say("sent")
}

/// Tries to look into every process of this name, until there is a file `until`: how often it met one, and what it was
/// let into.
fn pry(stage: &str, until: &Path) -> io::Result<Value> {
    say("prying")?;
    let (mut met, mut got) = (0_u64, BTreeSet::new());
    while !until.exists() {
        for process in fs::read_dir("/proc")?.flatten().map(|entry| entry.path()) {
            let is_stage =
                || fs::read_to_string(process.join("comm")).is_ok_and(|name| name.trim_end() == stage);
            if !is_stage() {
                continue;
            }
            met += 1;
            let links = ["exe", "cwd", "root", "fd/3", "fd/4"];
            let seen = links.iter().filter(|name| fs::read_link(process.join(name)).is_ok());
            let files = ["mem", "environ", "maps"];
            let seen = seen.chain(files.iter().filter(|name| fs::File::open(process.join(name)).is_ok()));
            let seen: Vec<&str> = seen.copied().collect();
            // What it has become meanwhile is the container's own.
            if is_stage() {
                got.extend(seen);
            }
        }
    }
    Ok(json!({"met": met, "got": got}))
}

/// Holds the program of every process of this name, until there is a file `until`; then writes to what it holds, when it
/// is nobody's program any more: how often it held one, and how often it could write.
fn overwrite(stage: &str, until: &Path) -> io::Result<Value> {
    say("waiting")?;
    let mut held = Vec::new();
    while !until.exists() {
        for process in fs::read_dir("/proc")?.flatten().map(|entry| entry.path()) {
            let is_stage =
                fs::read_to_string(process.join("comm")).is_ok_and(|name| name.trim_end() == stage);
            // The limit on open files is for the rest.
            if is_stage && held.len() < 500 {
                let program =
                    fs::File::options().read(true).custom_flags(libc::O_PATH).open(process.join("exe"));
                let is_its_own = |file: &fs::File| {
                    Ok::<_, io::Error>(file.metadata()?.ino() == fs::metadata("/probe")?.ino())
                };
                held.extend(program.ok().filter(|file| !is_its_own(file).unwrap_or(true)));
            }
        }
    }
    let write = |file: &fs::File| {
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        fs::File::options().write(true).open(path)?.write_all(b"x")
    };
    let written = held.iter().filter(|file| write(file).is_ok()).count();
    Ok(json!({"held": held.len(), "written": written}))
}

fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

fn number<T: std::str::FromStr>(text: &str) -> io::Result<T> {
    text.parse().map_err(|_| io::Error::other(format!("not a number: {text}")))
}
