//! The `skeg` binary: read the command line, do it, report the one error there may be.
//!
//! Single-threaded, and nothing is set up that the command at hand doesn't need: callers run skeg four times for
//! each container. So `start` has C's `main`: the standard library's own start-up looks at /proc/self/maps, installs signal
//! handlers and a second stack, fifteen system calls that nothing here has a use for.
#![no_main]

mod start;

use skeg::cli::{self, Command, Global, Program, Request};
use skeg::{cmd, logging};
use std::ffi::{OsString, c_int};
use std::io::{self, Write as _};

/// All of the program, from its arguments to its exit code; `start` calls it.
fn execute(args: Vec<OsString>) -> c_int {
    // Before anything is opened.
    if let Err(error) = skeg::streams::fill_closed() {
        logging::report_early_error(&format!("open /dev/null as a standard stream: {error}"));
        return 1;
    }
    // A hook that doesn't read its standard input must not end us.
    if let Err(error) = skeg::signals::ignore_sigpipe() {
        logging::report_early_error(&format!("ignore SIGPIPE: {error}"));
    }
    let mut args = args.into_iter();
    let program = Program::new(args.next().as_deref());
    let args: Vec<OsString> = args.collect();
    let (global, args) = match cli::global(&program, &args) {
        Ok(Request::Run(parsed)) => parsed,
        Ok(Request::Print(text)) => return print(&text),
        Err(error) => {
            print(error.stdout().unwrap_or_default());
            logging::report_early_error(&error.to_string());
            return error.exit_code().into();
        }
    };
    if let Err(error) = logging::init(&global) {
        logging::report_early_error(&error.to_string());
        return 1;
    }
    match cli::command(&program, &args) {
        Ok(Request::Run(command)) => run(&program, &global, &command),
        Ok(Request::Print(text)) => print(&text),
        Err(error) => {
            print(error.stdout().unwrap_or_default());
            logging::report_error(&global, &error.to_string());
            error.exit_code().into()
        }
    }
}

/// Does the command. An error is told with runc's prefix, which says what failed; exec has an exit code of its own, so
/// that callers can tell skeg's failure from the program's.
fn run(program: &Program, global: &Global, command: &Command) -> c_int {
    match dispatch(global, command) {
        Ok(code) => code,
        Err(error) => {
            let name = &program.name;
            let (prefix, code) = match command {
                Command::Create(_) => (format!("{name} create failed: "), 1),
                Command::Run(_) => (format!("{name} run failed: "), 1),
                Command::Exec(_) => ("exec failed: ".to_owned(), 255),
                _ => (String::new(), 1),
            };
            logging::report_error(global, &format!("{prefix}{error:#}"));
            code
        }
    }
}

fn dispatch(global: &Global, command: &Command) -> anyhow::Result<i32> {
    if global.systemd_cgroup {
        anyhow::bail!("--systemd-cgroup: the systemd cgroup driver is not part of this version of skeg");
    }
    match command {
        Command::Check(args) => cmd::check::run(global, args),
        Command::Create(args) => cmd::create::run(global, args),
        Command::Delete(args) => cmd::delete::run(global, args),
        Command::Exec(args) => cmd::exec::run(global, args),
        Command::Features(_) => cmd::features::run().map(|()| 0),
        Command::Kill(args) => cmd::kill::run(global, args),
        Command::List(args) => cmd::list::run(global, args).map(|()| 0),
        Command::Pause(args) => cmd::pause::run(global, args),
        Command::Plan(args) => cmd::plan::run(global, args),
        Command::Ps(args) => cmd::ps::run(global, args).map(|()| 0),
        Command::Resume(args) => cmd::resume::run(global, args),
        Command::Run(args) => cmd::run::run(global, args),
        Command::Spec(args) => cmd::spec::run(args).map(|()| 0),
        Command::Start(args) => cmd::start::run(global, args),
        Command::State(args) => cmd::state::run(global, args).map(|()| 0),
        Command::Try(args) => cmd::throw_away::run(global, args),
        Command::Update(args) => cmd::update::run(global, args),
    }
}

fn print(text: &str) -> c_int {
    let mut stdout = io::stdout();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => 0,
        Err(_) => 1,
    }
}
