//! One container of a test: its bundle, its state directory, and the runtime's commands on it.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::os::unix::fs::chown;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use std::{fs, panic, process, thread};

use serde_json::Value;

use crate::process::{Invocation, LIMIT, Lines, Output, Running, wait_for_end};
use crate::{config, host, leftovers, rootfs, sys};

/// A bundle in a directory of its own. Dropping it deletes the container and demands that nothing is left.
pub struct Bundle {
    /// The container's id, unique on the machine; its directory and cgroups have it in their names.
    pub id: String,
    directory: PathBuf,
    config: Value,
    /// What the container's init has on stdout, after create.
    lines: RefCell<Option<Lines>>,
    /// Pids of inits that were given to us, to be waited for.
    inits: RefCell<Vec<i32>>,
}

impl Bundle {
    /// A bundle with runc's default configuration, whose root holds the probe and busybox.
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        sys::become_subreaper();
        // Pids come round again, and a test that was killed leaves its directory.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").subsec_nanos();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let id = format!("skegtest-{}-{now:x}-{number}", process::id());
        let directory = Path::new("/tmp").join(&id);
        let bundle = Self {
            id,
            directory,
            config: config::default(),
            lines: RefCell::new(None),
            inits: RefCell::default(),
        };
        fs::create_dir(&bundle.directory).expect("a directory in /tmp");
        rootfs::make(&bundle.rootfs());
        bundle.write_config();
        bundle
    }

    /// A bundle whose program is the probe with `commands`.
    pub fn probe(commands: &[&str]) -> Self {
        Self::new().args(&[&["/probe"], commands].concat())
    }

    /// A bundle whose program prints these sections of what it sees; see `seen`.
    pub fn seeing(sections: &[&str]) -> Self {
        Self::probe(&[&["see"], sections].concat())
    }

    /// A bundle whose program waits for signals.
    pub fn pausing() -> Self {
        Self::probe(&["pause"])
    }

    /// A bundle whose program is a shell script.
    pub fn script(text: &str) -> Self {
        Self::new().args(&["sh", "-c", text])
    }

    /// Sets `process.args`.
    pub fn args(self, words: &[&str]) -> Self {
        self.set("/process/args", config::strings(words))
    }

    /// Changes the configuration.
    pub fn edit(mut self, change: impl FnOnce(&mut Value)) -> Self {
        change(&mut self.config);
        self.write_config();
        self
    }

    /// Sets the value at a JSON pointer; the last member may be new.
    #[track_caller]
    pub fn set(self, pointer: &str, value: impl Into<Value>) -> Self {
        let (parent, name) = pointer.rsplit_once('/').expect("a JSON pointer");
        self.edit(|config| {
            let parent = config.pointer_mut(parent).unwrap_or_else(|| panic!("no {parent} in the config"));
            match parent {
                Value::Array(list) => list[name.parse::<usize>().expect("an index")] = value.into(),
                other => other[name] = value.into(),
            }
        })
    }

    /// Removes the member at a JSON pointer.
    pub fn remove(self, pointer: &str) -> Self {
        let (parent, name) = pointer.rsplit_once('/').expect("a JSON pointer");
        self.edit(|config| {
            let parent = config.pointer_mut(parent).and_then(Value::as_object_mut);
            parent.and_then(|parent| parent.remove(name)).expect("the member to remove");
        })
    }

    /// Appends to the array at a JSON pointer.
    pub fn push(self, pointer: &str, value: impl Into<Value>) -> Self {
        self.edit(|config| {
            let list = config.pointer_mut(pointer).and_then(Value::as_array_mut);
            list.expect("an array").push(value.into());
        })
    }

    /// Adds a mount.
    pub fn mount(self, destination: &str, kind: &str, source: impl AsRef<Path>, options: &[&str]) -> Self {
        let source = source.as_ref().display().to_string();
        let options = config::strings(options);
        self.push(
            "/mounts",
            serde_json::json!({"destination": destination, "type": kind, "source": source, "options": options}),
        )
    }

    /// Adds a hook that runs `script` with the host's sh.
    pub fn hook(self, kind: &str, script: &str) -> Self {
        self.hook_with(kind, serde_json::json!({"path": "/bin/sh", "args": ["sh", "-c", script]}))
    }

    /// Adds a hook.
    pub fn hook_with(self, kind: &str, hook: Value) -> Self {
        self.edit(|config| {
            let hooks = &mut config["hooks"][kind];
            match hooks.as_array_mut() {
                Some(list) => list.push(hook),
                None => *hooks = Value::Array(vec![hook]),
            }
        })
    }

    /// A namespace of this type, new; or the one at `path`; replaces what there was.
    pub fn namespace(self, kind: &str, path: Option<&str>) -> Self {
        self.without_namespace(kind).push(
            "/linux/namespaces",
            match path {
                Some(path) => serde_json::json!({"type": kind, "path": path}),
                None => serde_json::json!({"type": kind}),
            },
        )
    }

    /// Shares the host's namespace of this type.
    pub fn without_namespace(self, kind: &str) -> Self {
        self.edit(|config| {
            let list = config.pointer_mut("/linux/namespaces").and_then(Value::as_array_mut);
            list.expect("an array").retain(|namespace| namespace["type"] != kind);
        })
    }

    /// A new user namespace where id 0 is `host` outside, and the root filesystem belongs to it.
    pub fn user_namespace(self, host: u32) -> Self {
        let mapping = serde_json::json!([{"containerID": 0, "hostID": host, "size": 65536}]);
        for directory in ["", "bin", "etc", "tmp"] {
            chown(self.rootfs().join(directory), Some(host), Some(host)).expect("chown");
        }
        self.namespace("user", None)
            .set("/linux/uidMappings", mapping.clone())
            .set("/linux/gidMappings", mapping)
    }

    /// The configuration as it is now.
    pub fn config(&self) -> &Value {
        &self.config
    }

    /// The bundle's directory.
    pub fn path(&self) -> &Path {
        &self.directory
    }

    /// A path inside the bundle, outside the root filesystem.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The root filesystem.
    pub fn rootfs(&self) -> PathBuf {
        self.directory.join("rootfs")
    }

    /// What `--root` is.
    pub fn state_root(&self) -> PathBuf {
        self.directory.join("state")
    }

    fn write_config(&self) {
        fs::write(self.file("config.json"), self.config.to_string()).expect("config.json");
    }

    /// The runtime with `--root` set and `words` behind it.
    pub fn runtime<S: AsRef<OsStr>>(&self, words: &[S]) -> Invocation {
        Invocation::new(host::runtime()).arg("--root").arg(self.state_root()).args(words).cwd(&self.directory)
    }

    /// `COMMAND OPTIONS ID`.
    pub fn command(&self, command: &str, options: &[&str]) -> Invocation {
        self.runtime(&[command]).args(options).arg(&self.id)
    }

    /// `run` in the foreground, to the end.
    pub fn run(&self) -> Output {
        self.command("run", &[]).finish()
    }

    /// Runs a `seeing` bundle and gives what it saw.
    #[track_caller]
    pub fn seen(&self) -> Value {
        self.run().ok().json()
    }

    /// Runs and gives the one section it was made to see.
    #[track_caller]
    pub fn seen_one(&self) -> Value {
        let seen = self.seen();
        let sections = seen.as_object().expect("an object");
        sections.values().next().expect("one section").clone()
    }

    /// `create`; the container's stdout is then read with `line`.
    pub fn create(&self) -> Output {
        self.create_with(&[])
    }

    /// `create` with options.
    pub fn create_with(&self, options: &[&str]) -> Output {
        self.detached(self.command("create", options))
    }

    /// Runs a create-like command to its own end, and keeps the pipe its container writes to.
    pub fn detached(&self, invocation: Invocation) -> Output {
        self.detached_running(invocation.spawn())
    }

    /// `detached` for a command that is already running.
    pub fn detached_running(&self, running: Running) -> Output {
        let (output, lines) = running.detach();
        *self.lines.borrow_mut() = Some(lines);
        if output.code == 0 {
            self.inits.borrow_mut().push(self.pid());
        }
        output
    }

    /// `start`.
    pub fn start(&self) -> Output {
        self.command("start", &[]).finish()
    }

    /// Creates and starts a `pausing` bundle, up to its `ready`.
    #[track_caller]
    pub fn running(self) -> Self {
        self.create().ok();
        self.start().ok();
        assert_eq!(self.line(), "ready");
        self
    }

    /// The next line of the created container's stdout.
    #[track_caller]
    pub fn line(&self) -> String {
        let mut lines = self.lines.borrow_mut();
        lines.as_mut().expect("created").next().expect("the container ended without another line")
    }

    /// All that the created container still says, to its end.
    pub fn rest(&self) -> String {
        self.lines.borrow_mut().as_mut().expect("created").rest()
    }

    /// `kill ID SIGNAL`.
    pub fn kill(&self, signal: &str) -> Output {
        self.command("kill", &[]).arg(signal).finish()
    }

    /// `delete`.
    pub fn delete(&self) -> Output {
        self.command("delete", &[]).finish()
    }

    /// `exec ID WORDS`, in the foreground.
    pub fn exec(&self, words: &[&str]) -> Output {
        self.exec_with(&[], words).finish()
    }

    /// `exec OPTIONS ID WORDS`.
    pub fn exec_with(&self, options: &[&str], words: &[&str]) -> Invocation {
        self.command("exec", options).args(words)
    }

    /// The sections an exec'd probe sees.
    #[track_caller]
    pub fn exec_seen(&self, options: &[&str], sections: &[&str]) -> Value {
        let words = [&["/probe", "see"], sections].concat();
        self.exec_with(options, &words).finish().ok().json()
    }

    /// `state` as JSON.
    #[track_caller]
    pub fn state(&self) -> Value {
        self.command("state", &[]).finish().ok().json()
    }

    /// `state`'s status.
    #[track_caller]
    pub fn status(&self) -> String {
        self.state()["status"].as_str().expect("a status").to_owned()
    }

    /// The pid of init, by `state`.
    #[track_caller]
    pub fn pid(&self) -> i32 {
        self.state()["pid"].as_i64().expect("a pid") as i32
    }

    /// Waits for the init of a created container and reaps it; its exit code, or 128 + signal.
    #[track_caller]
    pub fn wait(&self) -> i32 {
        let pid = self.inits.borrow_mut().pop().expect("a created container");
        wait_for_end(pid, "the container's init");
        sys::reap(pid).expect("init is a child of its creator").expect("it has ended")
    }

    /// The host's directory of this container's cgroup in `controller`'s hierarchy, by init's membership.
    pub fn cgroup(&self, controller: &str) -> PathBuf {
        let table = fs::read_to_string(format!("/proc/{}/cgroup", self.pid())).expect("a running container");
        let row = |name: &str| {
            table.lines().find_map(|line| {
                let mut fields = line.splitn(3, ':').skip(1);
                let names = fields.next()?;
                let path = fields.next()?;
                names.split(',').any(|it| it == name).then(|| path.trim_start_matches('/').to_owned())
            })
        };
        match row(controller) {
            Some(path) => Path::new("/sys/fs/cgroup").join(controller).join(path),
            None => Path::new("/sys/fs/cgroup").join(row("").expect("a v2 membership")),
        }
    }

    /// Demands that nothing of the container exists: for the moment after a failed command.
    #[track_caller]
    pub fn nothing_left(&self) {
        let left = leftovers::of(&self.id, &self.state_root());
        assert!(left.is_empty(), "left behind:\n{}", left.join("\n"));
    }

    fn clean(&self) -> Vec<String> {
        // Whether it says that it worked does not matter: what is left afterwards does.
        let mut delete = self.command("delete", &["--force"]).spawn();
        leftovers::wait_reaping_others(delete.pid());
        delete.wait();
        let mut left = Vec::new();
        for pid in self.inits.borrow_mut().drain(..) {
            if !leftovers::wait_reaping_others(pid) {
                left.push(format!("init {pid}, alive after {LIMIT:?}"));
            }
        }
        leftovers::reap_all_ended();
        left.extend(leftovers::of(&self.id, &self.state_root()));
        left
    }
}

impl Default for Bundle {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Bundle {
    fn drop(&mut self) {
        if thread::panicking() {
            // What goes wrong now follows from the failure that is already being reported.
            let _ = panic::catch_unwind(AssertUnwindSafe(|| self.clean()));
            leftovers::remove_cgroups(&self.id);
            let _ = fs::remove_dir_all(&self.directory);
            return;
        }
        let left = self.clean();
        leftovers::remove_cgroups(&self.id);
        let removed = fs::remove_dir_all(&self.directory);
        assert!(left.is_empty(), "left behind after delete --force:\n{}", left.join("\n"));
        removed.expect("the bundle can be removed");
    }
}
