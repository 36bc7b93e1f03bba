//! Who is compared, and how each is told to do something.

use std::path::PathBuf;

use crate::sys::Command;

/// What sort of program it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An OCI runtime with runc's command line.
    Runtime,
    /// The floor: starts one container, knows no other command.
    Floor,
    /// An empty program, started alone.
    Empty,
}

/// One program under measurement.
#[derive(Debug, Clone)]
pub struct Contestant {
    /// As printed.
    pub name: &'static str,
    /// What it says its version is.
    pub version: String,
    /// Its executable.
    pub program: PathBuf,
    /// Its sort.
    pub kind: Kind,
    /// Whether it works where version 1 hierarchies are in sight.
    pub hybrid: bool,
}

/// Where one runtime's containers live during one view.
#[derive(Debug, Clone)]
pub struct Home {
    /// `--root`: its state, on a tmpfs as /run is.
    pub state: PathBuf,
    /// One bundle for each config, by the config's name.
    pub bundles: PathBuf,
    /// For `--pid-file`.
    pub pid_file: PathBuf,
}

impl Contestant {
    /// `PROGRAM --root STATE WORD... ID`.
    fn command(&self, home: &Home, words: &[&str], id: &str, rest: &[&str]) -> Command {
        let program = self.program.to_string_lossy();
        let state = home.state.to_string_lossy();
        let mut line = vec![program.as_ref(), "--root", state.as_ref()];
        line.extend_from_slice(words);
        line.push(id);
        line.extend_from_slice(rest);
        Command::new(line)
    }

    /// `run`, in the foreground.
    pub fn run(&self, home: &Home, config: &str, id: &str) -> Command {
        let bundle = home.bundles.join(config);
        self.command(home, &["run", "--bundle", &bundle.to_string_lossy()], id, &[])
    }

    /// `create`, with the pid file an engine asks for.
    pub fn create(&self, home: &Home, config: &str, id: &str) -> Command {
        let (bundle, pid_file) = (home.bundles.join(config), home.pid_file.to_string_lossy());
        let words = ["create", "--bundle", &bundle.to_string_lossy(), "--pid-file", &pid_file];
        self.command(home, &words, id, &[])
    }

    /// `start`, `state` or `delete`.
    pub fn simple(&self, home: &Home, command: &str, id: &str) -> Command {
        self.command(home, &[command], id, &[])
    }

    /// `kill ID KILL`.
    pub fn kill(&self, home: &Home, id: &str) -> Command {
        self.command(home, &["kill"], id, &["KILL"])
    }

    /// `delete --force`.
    pub fn delete_force(&self, home: &Home, id: &str) -> Command {
        self.command(home, &["delete", "--force"], id, &[])
    }

    /// `exec ID /bin/true`.
    pub fn exec(&self, home: &Home, id: &str) -> Command {
        self.command(home, &["exec"], id, &["/bin/true"])
    }
}
