//! Programs that the tests start: every wait has a limit, and no wait polls the clock.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, PipeReader, Read, Seek, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::sys::{self, Before};

/// Far longer than anything takes: reaching it means a hang.
pub const LIMIT: Duration = Duration::from_secs(60);

/// A program about to be started.
pub struct Invocation {
    command: Command,
    before: Before,
    /// Kept open until the child has them.
    given: Vec<OwnedFd>,
    input: Option<Vec<u8>>,
    terminal: bool,
}

impl Invocation {
    /// Starts with stdin from /dev/null.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(program);
        command.stdin(Stdio::null());
        Self { command, before: Before::default(), given: Vec::new(), input: None, terminal: false }
    }

    /// One more argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    /// More arguments.
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.command.args(args);
        self
    }

    /// Sets a variable of the environment.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Starts with an empty environment.
    pub fn env_clear(mut self) -> Self {
        self.command.env_clear();
        self
    }

    /// The working directory.
    pub fn cwd(mut self, path: impl AsRef<Path>) -> Self {
        self.command.current_dir(path);
        self
    }

    /// Gives the program `fd` under the number `as_number`.
    pub fn give(mut self, fd: OwnedFd, as_number: RawFd) -> Self {
        self.before.fds.push((fd.as_raw_fd(), as_number));
        self.given.push(fd);
        self
    }

    /// Writes `bytes` to the program's stdin.
    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = Some(bytes.into());
        self
    }

    /// Lowers a resource limit, soft and hard.
    pub fn limit(mut self, resource: u32, value: u64) -> Self {
        self.before.limits.push((resource, value));
        self
    }

    /// Runs as this user and group, with no supplementary groups.
    pub fn user(mut self, id: u32) -> Self {
        self.before.user = Some(id);
        self
    }

    /// Runs in a mount namespace of its own.
    pub fn private_mounts(mut self) -> Self {
        self.before.private_mounts = true;
        self
    }

    /// Sets the securebits, capabilities(7).
    pub fn securebits(mut self, bits: i32) -> Self {
        self.before.securebits = Some(bits);
        self
    }

    /// Makes `terminal` the program's stdio and its controlling terminal.
    pub fn terminal(mut self, terminal: OwnedFd) -> Self {
        let dup = || Stdio::from(terminal.try_clone().expect("dup"));
        self.command.stdin(dup()).stdout(dup()).stderr(dup());
        self.before.new_session = true;
        self.terminal = true;
        self
    }

    /// Starts the program.
    pub fn spawn(mut self) -> Running {
        let (stdout, writer) = io::pipe().expect("pipe");
        let stderr = unnamed_file();
        if !self.terminal {
            self.command.stdout(writer).stderr(stderr.try_clone().expect("dup"));
        }
        if let Some(input) = &self.input {
            let mut file = unnamed_file();
            file.write_all(input).and_then(|()| file.rewind()).expect("a temporary file");
            self.command.stdin(file);
        }
        let words = format!("{:?}", self.command);
        sys::prepare(&mut self.command, self.before);
        let child = self.command.spawn().unwrap_or_else(|error| panic!("{words}: {error}"));
        Running { words, child, stdout: RefCell::new(Lines::new(stdout)), stderr, code: None }
    }

    /// Runs the program to its end, and to the end of everything that holds its stdout.
    pub fn finish(self) -> Output {
        self.spawn().finish()
    }
}

/// A program that was started. Dropping it kills it.
pub struct Running {
    words: String,
    child: Child,
    stdout: RefCell<Lines>,
    stderr: File,
    code: Option<i32>,
}

impl Running {
    /// The program's pid.
    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// The next line of stdout.
    pub fn line(&self) -> String {
        let line = self.stdout.borrow_mut().next();
        line.unwrap_or_else(|| panic!("{}: no further line\n{}", self.words, self.errors()))
    }

    /// What has come on stderr.
    pub fn errors(&self) -> String {
        let mut text = String::new();
        let path = format!("/proc/self/fd/{}", self.stderr.as_raw_fd());
        // Opened anew: the descriptor's own offset belongs to the writers.
        File::open(path).and_then(|mut file| file.read_to_string(&mut text)).expect("stderr is text");
        text
    }

    /// Sends a signal.
    pub fn signal(&self, signal: i32) {
        let signal = nix::sys::signal::Signal::try_from(signal).expect("a signal");
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.pid()), signal).expect("kill");
    }

    /// Waits for the program's end, but not for others that hold its stdout; its exit code, or 128 + signal.
    pub fn wait(&mut self) -> i32 {
        if let Some(code) = self.code {
            return code;
        }
        wait_for_end(self.pid(), &self.words);
        let status = self.child.wait().expect("wait");
        *self.code.insert(code_of(status))
    }

    /// Whether the program has ended.
    pub fn has_ended(&mut self) -> bool {
        self.code = self.code.or_else(|| self.child.try_wait().expect("wait").map(code_of));
        self.code.is_some()
    }

    /// Waits for the program's end; what it and its children have said is still to be read from `lines`.
    pub fn detach(mut self) -> (Output, Lines) {
        let code = self.wait();
        let output = Output { words: self.words.clone(), code, stdout: String::new(), stderr: self.errors() };
        let lines = self.stdout.replace(Lines::empty());
        (output, lines)
    }

    /// Waits for the program's end and for the end of stdout.
    pub fn finish(mut self) -> Output {
        let stdout = self.stdout.borrow_mut().rest();
        let code = self.wait();
        Output { words: self.words.clone(), code, stdout, stderr: self.errors() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.code.is_none() {
            // Only a test that has failed leaves a program running; the error it raised is the one to show.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn code_of(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}

/// Waits until `pid`, a child of ours or not, has ended.
pub fn wait_for_end(pid: i32, words: &str) {
    // ESRCH: it has ended and has been waited for.
    let Ok(pidfd) = sys::pidfd_open(pid) else { return };
    let ended = sys::readable(pidfd.as_fd(), Instant::now() + LIMIT).expect("poll");
    assert!(ended, "{words}: still running after {LIMIT:?}");
}

/// Lines from a pipe.
pub struct Lines {
    pipe: Option<PipeReader>,
    buffer: Vec<u8>,
}

impl Lines {
    /// Reads from `pipe`.
    pub fn new(pipe: PipeReader) -> Self {
        Self { pipe: Some(pipe), buffer: Vec::new() }
    }

    fn empty() -> Self {
        Self { pipe: None, buffer: Vec::new() }
    }

    /// Everything up to the end.
    pub fn rest(&mut self) -> String {
        while self.fill() {}
        String::from_utf8_lossy(&std::mem::take(&mut self.buffer)).into_owned()
    }

    /// Reads what is there; false at the end.
    fn fill(&mut self) -> bool {
        let Some(pipe) = &mut self.pipe else { return false };
        let ready = sys::readable(pipe.as_fd(), Instant::now() + LIMIT).expect("poll");
        assert!(ready, "nothing to read for {LIMIT:?}; so far: {}", String::from_utf8_lossy(&self.buffer));
        let mut chunk = [0; 4096];
        let length = pipe.read(&mut chunk).expect("read");
        self.buffer.extend_from_slice(chunk.get(..length).expect("read fits"));
        length > 0
    }
}

impl Iterator for Lines {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return Some(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            if !self.fill() {
                return None;
            }
        }
    }
}

/// What a program has left behind.
pub struct Output {
    /// The command, for messages.
    pub words: String,
    /// Exit code, or 128 + signal.
    pub code: i32,
    /// All of stdout.
    pub stdout: String,
    /// All of stderr.
    pub stderr: String,
}

impl Output {
    /// Demands success.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.exits(0)
    }

    /// Demands this exit code.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert!(self.code == code, "{self}\nwanted exit code {code}");
        self
    }

    /// Demands a failure of the runtime itself (code 1; 255 for exec) whose message contains `text`.
    #[track_caller]
    pub fn fails_with(self, text: &str) -> Self {
        assert!(matches!(self.code, 1 | 255), "{self}\nwanted exit code 1 or 255");
        assert!(self.stderr.contains(text), "{self}\nwanted {text:?} on stderr");
        let lines = self.stderr.lines().filter(|line| line.contains("level=error")).count();
        assert!(lines <= 1, "{self}\nwanted one line of error");
        self
    }

    /// stdout as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{self}\nstdout is not JSON: {error}"))
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, to: &mut std::fmt::Formatter) -> std::fmt::Result {
        let Self { words, code, stdout, stderr } = self;
        write!(to, "{words}\nexit code {code}\n--- stdout ---\n{stdout}\n--- stderr ---\n{stderr}\n---")
    }
}

/// A file without a name, so that nothing is left of it.
fn unnamed_file() -> File {
    use std::os::unix::fs::OpenOptionsExt;
    File::options()
        .read(true)
        .write(true)
        .custom_flags(libc::O_TMPFILE)
        .open("/tmp")
        .expect("O_TMPFILE in /tmp")
}
