//! Hooks of all six kinds.

use std::fs;

use skeg_tests::host::{Maker, maker};
use skeg_tests::{Bundle, Value, host, json, need_root, not_runc};

/// The hooks that the runtime calls in its own namespaces; `startContainer` is called inside the container.
const OUTSIDE: [&str; 5] = ["prestart", "createRuntime", "createContainer", "poststart", "poststop"];

/// A bundle whose hooks all append their kind to a file beside it.
fn with_all_hooks() -> Bundle {
    let container = Bundle::new();
    let journal = container.file("journal").display().to_string();
    let container = OUTSIDE.iter().fold(container, |container, kind| {
        container.hook(kind, &format!("cat > {journal}.{kind}; echo {kind} >> {journal}"))
    });
    let inside = json!({"path": "/probe", "args": ["probe", "append", "/journal/log", "startContainer",
        "then", "copy-stdin", "/journal/state"]});
    let shared = container.file("shared");
    fs::create_dir(&shared).unwrap();
    container.mount("/journal", "bind", shared, &["bind"]).hook_with("startContainer", inside)
}

fn journal(container: &Bundle) -> Vec<String> {
    let text = fs::read_to_string(container.file("journal")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[track_caller]
fn state_of(container: &Bundle, kind: &str) -> Value {
    let text = fs::read_to_string(container.file(&format!("journal.{kind}"))).expect("the hook ran");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn hooks_run_in_the_order_of_the_specification() {
    need_root!();
    not_runc!();
    let container = with_all_hooks().args(&["/probe", "append", "/journal/log", "program"]);
    container.create().ok();
    assert_eq!(journal(&container), ["prestart", "createRuntime", "createContainer"]);
    container.start().ok();
    container.wait();
    assert_eq!(journal(&container).get(3..), Some(&["poststart".to_owned()][..]));
    assert_eq!(fs::read_to_string(container.file("shared/log")).unwrap(), "startContainer\nprogram\n");
    container.delete().ok();
    assert_eq!(journal(&container).get(4..), Some(&["poststop".to_owned()][..]));
}

#[test]
fn run_calls_every_hook_once() {
    need_root!();
    let container = with_all_hooks().args(&["/probe", "exit", "0"]);
    container.run().ok();
    assert_eq!(journal(&container), OUTSIDE);
}

#[test]
fn hooks_get_the_state_on_stdin() {
    need_root!();
    let container = with_all_hooks().set("/annotations", json!({"k": "v"})).args(&["/probe", "pause"]);
    container.create().ok();
    let pid = container.pid();
    container.start().ok();
    for kind in ["prestart", "createRuntime", "createContainer", "poststart"] {
        let state = state_of(&container, kind);
        assert_eq!(state["id"], container.id.as_str(), "{kind}");
        assert_eq!(state["bundle"], container.path().to_str().unwrap(), "{kind}");
        // Inside, runc gives the pid as it is there.
        assert!(state["pid"] == pid || kind == "createContainer", "{kind}");
        assert_eq!(state["annotations"], json!({"k": "v"}), "{kind}");
        assert!(state["ociVersion"].is_string(), "{kind}");
    }
}

#[test]
fn status_in_the_hooks_is_that_of_the_moment() {
    need_root!();
    not_runc!();
    let container = with_all_hooks().args(&["/probe", "exit", "0"]);
    container.run().ok();
    let status = |kind| state_of(&container, kind)["status"].as_str().unwrap().to_owned();
    assert!(["creating", "created"].contains(&status("prestart").as_str()));
    assert!(["creating", "created"].contains(&status("createRuntime").as_str()));
    assert!(["creating", "created"].contains(&status("createContainer").as_str()));
    assert_eq!(status("poststart"), "running");
    assert_eq!(status("poststop"), "stopped");
}

#[test]
fn start_container_hook_runs_inside() {
    need_root!();
    let container = Bundle::script("cat /journal/hostname");
    let shared = container.file("shared");
    fs::create_dir(&shared).unwrap();
    let hook = json!({"path": "/bin/sh", "args": ["sh", "-c", "/bin/busybox hostname > /journal/hostname"]});
    let container = container.mount("/journal", "bind", shared, &["bind"]).hook_with("startContainer", hook);
    assert_eq!(container.run().ok().stdout, "skeg\n");
}

#[test]
fn create_container_hook_runs_in_the_mount_namespace_before_the_pivot() {
    need_root!();
    let container = Bundle::new().args(&["/probe", "exit", "0"]);
    let file = container.file("namespace").display().to_string();
    // The host's paths are still there, the container's mounts already.
    let script = format!(
        "readlink /proc/self/ns/mnt > {file}; grep -c {}/rootfs/proc /proc/self/mountinfo >> {file}",
        container.path().display()
    );
    let container = container.hook("createContainer", &script);
    container.run().ok();
    let text = fs::read_to_string(file).unwrap();
    let own = fs::read_link("/proc/self/ns/mnt").unwrap().display().to_string();
    assert_ne!(text.lines().next().unwrap(), own);
    assert_ne!(text.lines().nth(1).unwrap(), "0");
}

#[test]
fn create_runtime_hook_runs_in_the_namespaces_of_the_runtime() {
    need_root!();
    let container = Bundle::new().args(&["/probe", "exit", "0"]);
    let file = container.file("namespace").display().to_string();
    let container = container.hook("createRuntime", &format!("readlink /proc/self/ns/net > {file}"));
    container.run().ok();
    let own = fs::read_link("/proc/self/ns/net").unwrap().display().to_string();
    assert_eq!(fs::read_to_string(file).unwrap().trim_end(), own);
}

#[test]
fn hooks_of_a_kind_run_in_order() {
    need_root!();
    let container = Bundle::new().args(&["/probe", "exit", "0"]);
    let file = container.file("journal").display().to_string();
    let container = container.hook("createRuntime", &format!("echo 1 >> {file}"));
    let container = container.hook("createRuntime", &format!("echo 2 >> {file}"));
    container.run().ok();
    assert_eq!(journal(&container), ["1", "2"]);
}

#[test]
fn each_hook_has_its_arguments_and_environment() {
    need_root!();
    let container = Bundle::new().args(&["/probe", "exit", "0"]);
    let file = |kind: &str| container.file(&format!("env.{kind}")).display().to_string();
    let files: Vec<String> = OUTSIDE.iter().map(|kind| file(kind)).collect();
    let shared = container.file("shared");
    fs::create_dir(&shared).unwrap();
    let inside = json!({"path": "/probe", "args": ["zero", "save", "/shared/seen", "args", "env"], "env": ["A=1", "B=2"]});
    let container =
        container.mount("/shared", "bind", &shared, &["bind"]).hook_with("startContainer", inside);
    let container = OUTSIDE.iter().zip(&files).fold(container, |container, (kind, file)| {
        let script = format!("echo \"$0:$A:$B:$HOME\" > {file}");
        let hook = json!({"path": "/bin/sh", "args": ["name", "-c", script, "zero"], "env": ["A=1", "B=2"]});
        container.hook_with(kind, hook)
    });
    container.command("run", &[]).env("HOME", "/leak").finish().ok();
    for (kind, file) in OUTSIDE.iter().zip(files) {
        assert_eq!(fs::read_to_string(file).unwrap(), "zero:1:2:\n", "{kind}");
    }
    let seen: Value = serde_json::from_str(&fs::read_to_string(shared.join("seen")).unwrap()).unwrap();
    assert_eq!(seen["args"][0], "zero");
    assert_eq!(seen["env"], json!(["A=1", "B=2"]));
}

/// Seen failing with the runtime's own variables in both.
#[test]
fn hook_with_an_empty_environment_gets_none() {
    need_root!();
    let container = Bundle::new().args(&["/probe", "exit", "0"]);
    let seen = |name: &str| container.file(name).display().to_string();
    let (empty, absent) = (seen("empty"), seen("absent"));
    let hook = |file: &str, more: Value| {
        let mut hook = json!({"path": "/bin/sh", "args": ["sh", "-c", format!("echo $SECRET > {file}")]});
        hook.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        hook
    };
    let container = container
        .hook_with("createRuntime", hook(&empty, json!({"env": []})))
        .hook_with("createRuntime", hook(&absent, json!({})));
    container.command("run", &[]).env("SECRET", "leak").finish().ok();
    assert_eq!(fs::read_to_string(empty).unwrap(), "\n");
    assert_eq!(fs::read_to_string(absent).unwrap(), "leak\n");
}

#[test]
fn hook_that_does_not_read_its_stdin_is_no_error() {
    need_root!();
    Bundle::new().args(&["/probe", "exit", "0"]).hook("createRuntime", "exec <&-; exit 0").run().ok();
}

/// Seen failing with `close_on_exec_from` taken out of `Kept::claim`.
#[test]
fn hook_starts_with_stdio_and_nothing_else() {
    need_root!();
    let container = Bundle::new().args(&["/probe", "exit", "0"]);
    let file = container.file("fds").display().to_string();
    let probe = host::probe().display().to_string();
    let hook = json!({"path": probe, "args": ["probe", "save", file, "fds"]});
    let container = container.hook_with("createRuntime", hook);
    let leaked = fs::File::open("/").unwrap();
    container.command("run", &[]).give(leaked.into(), 9).finish().ok();
    let seen: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let fds: Vec<&String> = seen["fds"].as_object().unwrap().keys().collect();
    assert_eq!(fds, ["0", "1", "2"], "{seen}");
}

#[track_caller]
fn failing(kind: &str) {
    let container = Bundle::new().args(&["/probe", "exit", "0"]).hook(kind, "echo some reason >&2; exit 3");
    let run = container.run().exits(1);
    assert!(run.stderr.contains("hook #0"), "{run}");
    // runc 1.1.5 counts, but does not name the kind.
    assert!(run.stderr.contains(&format!("error running {kind} hook #0")) || maker() == Maker::Runc, "{run}");
    container.nothing_left();
}

#[test]
fn failing_prestart_hook_ends_the_creation() {
    need_root!();
    failing("prestart");
}

#[test]
fn failing_create_runtime_hook_ends_the_creation() {
    need_root!();
    failing("createRuntime");
}

#[test]
fn failing_create_container_hook_ends_the_creation() {
    need_root!();
    failing("createContainer");
}

#[test]
fn failing_start_container_hook_ends_the_start() {
    need_root!();
    let hook = json!({"path": "/probe", "args": ["probe", "exit", "3"]});
    let container = Bundle::probe(&["write", "/tmp/ran", ""]).hook_with("startContainer", hook);
    let container = container.set("/root/readonly", false);
    let run = container.run();
    assert_ne!(run.code, 0, "{run}");
    assert!(!container.rootfs().join("tmp/ran").exists());
    container.nothing_left();
}

/// runtime.md, "Lifecycle", 7: seen failing with a nsexec that lets go of the FIFO before its hooks.
#[test]
fn failing_start_container_hook_fails_the_command_start() {
    need_root!();
    not_runc!();
    let hook = json!({"path": "/probe", "args": ["probe", "exit", "3"]});
    let container = Bundle::probe(&["write", "/tmp/ran", ""]).hook_with("startContainer", hook);
    let stopped = container.file("stopped");
    let container = container
        .set("/root/readonly", false)
        .hook("poststart", "exit 4")
        .hook("poststop", &format!("echo yes > {}", stopped.display()));
    container.create().ok();
    container
        .start()
        .fails_with("hooks.startContainer[0] (/probe): error running startContainer hook #0: exit status 3");
    assert!(stopped.exists());
    assert!(!container.rootfs().join("tmp/ran").exists());
    container.nothing_left();
}

/// runtime.md, "Lifecycle", 9. The startContainer hook takes until it is let go, by the program that is no poststart hook.
#[test]
fn poststart_hooks_wait_for_the_exec() {
    need_root!();
    not_runc!();
    let container = Bundle::new().args(&["/probe", "pause"]);
    let shared = container.file("shared");
    fs::create_dir(&shared).unwrap();
    let gate = shared.join("gate");
    nix::unistd::mkfifo(&gate, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let journal = shared.join("log").display().to_string();
    let inside = json!({"path": "/probe", "args": ["probe", "read", "/shared/gate", "then",
        "append", "/shared/log", "startContainer"]});
    let container = container
        .mount("/shared", "bind", shared, &["bind"])
        .hook_with("startContainer", inside)
        .hook("poststart", &format!("echo poststart >> {journal}"));
    container.create().ok();
    let start = container.command("start", &[]).spawn();
    fs::write(&gate, "go").unwrap();
    start.finish().ok();
    assert_eq!(fs::read_to_string(journal).unwrap(), "startContainer\npoststart\n");
}

/// As runc has it; the others run where the caller is.
#[test]
fn hooks_of_create_run_in_the_bundle_and_those_of_the_container_in_its_root() {
    need_root!();
    let container = Bundle::new().args(&["/probe", "exit", "0"]);
    let file = container.file("journal").display().to_string();
    let container = ["prestart", "createRuntime", "createContainer", "poststart"]
        .iter()
        .fold(container, |container, kind| container.hook(kind, &format!("pwd >> {file}")));
    let bundle = container.path().display().to_string();
    container.command("run", &["--bundle", &bundle]).cwd("/").finish().ok();
    let rootfs = container.rootfs().display().to_string();
    assert_eq!(journal(&container), [bundle.clone(), bundle.clone(), rootfs, bundle]);
}

#[test]
fn failing_poststop_hook_does_not_keep_the_container() {
    need_root!();
    let container = Bundle::new().args(&["/probe", "exit", "0"]).hook("poststop", "exit 3");
    container.run();
    container.command("delete", &["--force"]).finish();
    container.nothing_left();
}

#[test]
fn poststop_hooks_of_a_create_that_fails_run() {
    need_root!();
    for (kind, script) in [("createContainer", "exit 3"), ("poststart", "true")] {
        let container = Bundle::new();
        let ran = container.file("ran");
        let container =
            container.hook(kind, script).hook("poststop", &format!("echo yes > {}", ran.display()));
        // The second fails for want of a program.
        let container = if kind == "poststart" { container.args(&["/nosuch"]) } else { container };
        assert_eq!(container.create().code, 1);
        assert!(ran.exists(), "{kind}");
        container.nothing_left();
    }
}

#[test]
fn output_of_a_failing_hook_is_in_the_message() {
    need_root!();
    let container = Bundle::new().hook("createRuntime", "echo some reason >&2; exit 3");
    container.run().fails_with("some reason");
}

#[test]
fn each_hook_that_takes_too_long_is_ended() {
    need_root!();
    let endless = |path: &str, args: Value| json!({"path": path, "args": args, "timeout": 1});
    for kind in OUTSIDE {
        let hook = endless("/bin/sh", json!(["sh", "-c", "exec sleep 1000"]));
        let container = Bundle::new().args(&["/probe", "exit", "0"]).hook_with(kind, hook);
        // What a poststop hook comes to is only logged.
        container.run().exits(if kind == "poststop" { 0 } else { 1 });
        container.nothing_left();
    }
    let hook = endless("/probe", json!(["probe", "pause"]));
    let container = Bundle::new().hook_with("startContainer", hook);
    assert_ne!(container.run().code, 0);
    container.nothing_left();
}

#[test]
fn missing_hook_program_ends_the_creation() {
    need_root!();
    let container = Bundle::new().hook_with("createRuntime", json!({"path": "/missing/hook"}));
    container.run().fails_with("no such file or directory");
    container.nothing_left();
}

#[test]
fn relative_hook_path_is_refused() {
    need_root!();
    not_runc!();
    let container = Bundle::new().hook_with("createRuntime", json!({"path": "true"}));
    container.run().fails_with("hooks.createRuntime[0].path");
}

#[test]
fn poststop_hooks_of_a_forced_delete_run() {
    need_root!();
    let container = with_all_hooks().args(&["/probe", "pause"]);
    container.create().ok();
    container.start().ok();
    assert_eq!(container.line(), "ready");
    container.command("delete", &["--force"]).finish().ok();
    assert_eq!(journal(&container).last().map(String::as_str), Some("poststop"));
}

/// The image decides what a startContainer hook's path leads to. Seen failing with the hooks before the credentials, the
/// capabilities and the filter, where the hook had them all.
#[test]
fn start_container_hook_is_confined_as_the_program_is() {
    need_root!();
    let sections = ["ids", "caps", "seccomp", "rlimits", "dumpable", "oom_score_adj", "umask"];
    let seen = |name: &str| [&["save", &format!("/shared/{name}")], &sections[..]].concat().join(" ");
    let (hook, program) = (seen("hook"), seen("program"));
    let words = |of: &'static str, text: &str| -> Vec<String> {
        std::iter::once(of).chain(text.split(' ')).map(str::to_owned).collect()
    };
    let container = Bundle::new()
        .set("/process/args", words("/probe", &program))
        .set("/process/user", json!({"uid": 1000, "gid": 1000, "additionalGids": [7]}))
        .set("/process/noNewPrivileges", true)
        .set("/process/rlimits", json!([{"type": "RLIMIT_CORE", "soft": 3, "hard": 4}]))
        .set("/linux/seccomp", json!({"defaultAction": "SCMP_ACT_ALLOW"}))
        .hook_with("startContainer", json!({"path": "/probe", "args": words("probe", &hook)}));
    let shared = container.file("shared");
    fs::create_dir(&shared).unwrap();
    std::os::unix::fs::chown(&shared, Some(1000), Some(1000)).unwrap();
    let container = container.mount("/shared", "bind", &shared, &["bind"]);
    container.run().ok();
    let read = |name: &str| fs::read_to_string(shared.join(name)).unwrap();
    let (of_the_hook, of_the_program): (Value, Value) =
        (serde_json::from_str(&read("hook")).unwrap(), serde_json::from_str(&read("program")).unwrap());
    assert_eq!(of_the_hook, of_the_program);
    assert_eq!(of_the_hook["seccomp"], json!({"Seccomp": "2", "NoNewPrivs": "1"}));
}

/// Until it has its root, whoever joins its namespaces would be in the host's. Seen failing where state.json tells of the
/// process from its clone on: the program ran among the host's files.
#[test]
fn container_that_is_being_created_is_not_to_be_entered() {
    need_root!();
    let container = Bundle::pausing();
    let skeg = format!("{} --root {}", host::runtime().display(), container.state_root().display());
    let (id, said) = (container.id.clone(), container.file("said").display().to_string());
    let commands = ["exec ID /bin/sh -c 'exit 0'", "kill ID KILL", "state ID"];
    let script: String = commands
        .iter()
        .map(|words| {
            format!("{skeg} {} >> {said} 2>&1; printf '\\n= %d\\n' $? >> {said}\n", words.replace("ID", &id))
        })
        .collect();
    let container = container.hook("createRuntime", &script).hook("prestart", &script);
    let container = container.running();
    let said = fs::read_to_string(said).unwrap();
    let codes: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("= ")).collect();
    if maker() == Maker::Skeg {
        assert_eq!(codes, ["255", "1", "0", "255", "1", "0"], "{said}");
        // Callers know of no other word.
        assert_eq!(said.matches("\"status\": \"created\"").count(), 2, "{said}");
        let pid = format!("\"pid\": {}", container.pid());
        assert_eq!(said.matches(&pid).count(), 2, "{said}");
    } else {
        assert!(!codes[..2].contains(&"0"), "{said}");
    }
    assert_eq!(container.status(), "running");
}

/// What holds a create is ended with its process. Seen failing where the hook alone is waited for, or where delete first
/// waits for the create: after ten seconds it gave up.
#[test]
fn forced_delete_ends_a_create_that_waits_for_a_hook() {
    need_root!();
    not_runc!();
    let container = Bundle::pausing();
    let started = container.file("started");
    nix::unistd::mkfifo(&started, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let container =
        container.hook("createRuntime", &format!("echo here > {}; exec sleep 1000", started.display()));
    let create = container.command("create", &[]).spawn();
    assert_eq!(fs::read_to_string(&started).unwrap(), "here\n");
    container.command("delete", &["--force"]).finish().ok();
    let (output, _) = create.detach();
    output.exits(1).fails_with("error running createRuntime hook #0: the container's process has ended");
    container.nothing_left();
}

/// Seen failing where `start` holds the container's lock meanwhile.
#[test]
fn hooks_of_start_may_change_the_container() {
    need_root!();
    not_runc!();
    let container = Bundle::pausing();
    let skeg = format!("{} --root {}", host::runtime().display(), container.state_root().display());
    let id = container.id.clone();
    let container =
        container.hook("poststart", &format!("{skeg} update --pids-limit 123 {id} && {skeg} pause {id}"));
    container.create().ok();
    container.start().ok();
    assert_eq!(container.status(), "paused");
    let directory = container.cgroup("pids");
    assert_eq!(fs::read_to_string(directory.join("pids.max")).unwrap(), "123\n");
    container.command("resume", &[]).finish().ok();
    assert_eq!(container.line(), "ready");
}

/// Seen failing where the state comes by a pipe, which has room for 64 KiB: neither hook nor timeout ever ended.
#[test]
fn hook_that_does_not_read_a_large_state_is_ended_in_time() {
    need_root!();
    let hook = json!({"path": "/bin/sleep", "args": ["sleep", "1000"], "timeout": 1});
    let container = Bundle::new()
        .set("/annotations", json!({"large": "x".repeat(200_000)}))
        .hook_with("createRuntime", hook);
    container.run().exits(1);
    container.nothing_left();
}

#[test]
fn hook_reads_a_large_state() {
    need_root!();
    let container = Bundle::new()
        .args(&["/probe", "exit", "0"])
        .set("/annotations", json!({"large": "x".repeat(200_000)}));
    let file = container.file("journal.state").display().to_string();
    let container = ["prestart", "createContainer", "poststop"]
        .iter()
        .fold(container, |container, kind| container.hook(kind, &format!("cat > {file}.{kind}")));
    container.run().ok();
    for kind in ["prestart", "createContainer", "poststop"] {
        let state = state_of(&container, &format!("state.{kind}"));
        assert_eq!(state["annotations"]["large"].as_str().unwrap().len(), 200_000, "{kind}");
    }
}

/// Seen failing where the deadline is added without a look: a panic.
#[test]
fn hook_may_have_all_the_time_that_there_is() {
    need_root!();
    not_runc!();
    let container = ["createRuntime", "createContainer", "poststart", "poststop"].iter().fold(
        Bundle::new().args(&["/probe", "exit", "0"]),
        |container, kind| {
            let hook = json!({"path": "/bin/true", "timeout": i64::MAX});
            container.hook_with(kind, hook)
        },
    );
    container.run().ok();
    container.nothing_left();
}

/// Seen failing where it is a warning of the log, which by default has errors only.
#[test]
fn failing_poststop_hook_is_told() {
    need_root!();
    let container = Bundle::new().args(&["/probe", "exit", "0"]).hook("poststop", "echo why >&2; exit 3");
    let run = container.run().exits(0);
    assert!(run.stderr.contains("hook #0"), "{run}");
    assert!(run.stderr.contains("exit status 3"), "{run}");
}

/// Seen failing with the output in the container's.
#[test]
fn output_of_a_failing_hook_in_the_container_is_in_the_error() {
    need_root!();
    let container = Bundle::new().hook("createContainer", "echo FIRST");
    let container = container.hook("createContainer", "echo REASON-out; echo REASON-err >&2; exit 3");
    for output in [container.create(), container.run()] {
        let output = output.fails_with("hook #1: ");
        let line = output.stderr.lines().find(|line| line.contains("exit status 3")).unwrap();
        assert!(line.contains("REASON-out") && line.contains("REASON-err"), "{output}");
        assert!(!output.stderr.contains("FIRST") && output.stdout.is_empty(), "{output}");
    }
}

/// Seen failing with the output in the container's.
#[test]
fn output_of_a_failing_hook_of_the_start_is_in_the_error_of_run() {
    need_root!();
    not_runc!();
    let hook = json!({"path": "/bin/sh", "args": ["sh", "-c", "/bin/busybox yes REASON | /bin/busybox head -n 99999; exit 3"]});
    let output = Bundle::new().hook_with("startContainer", hook).run();
    let output = output.fails_with("error running startContainer hook #0: exit status 3, output: \\\"REASON");
    assert!(output.stdout.is_empty() && output.stderr.len() < 8192, "{output}");
}

/// Docker's profile lets nobody call clone3(2). Seen failing with it: `fork: ENOSYS`.
#[test]
fn start_container_hook_runs_behind_dockers_profile() {
    need_root!();
    let config = host::workspace().join("tests/fixtures/configs/docker-default.json");
    let config: Value = serde_json::from_str(&fs::read_to_string(config).unwrap()).unwrap();
    let hook = json!({"path": "/probe", "args": ["probe", "exit", "0"], "timeout": 60});
    let container = Bundle::probe(&["exit", "0"]).hook_with("startContainer", hook);
    let container = container.set("/linux/seccomp", config["linux"]["seccomp"].clone());
    container.run().ok();
    container.create().ok();
    container.start().ok();
}

/// Seen failing with the container's root, a umask of 022, and an output that the limit ends the hook for: signal 25.
#[test]
fn start_container_hook_starts_as_the_program_does() {
    need_root!();
    let shared = |container: &Bundle| container.file("shared");
    let container = Bundle::probe(&["exit", "0"])
        .set("/process/cwd", "/data")
        .set("/process/user/umask", 0o077)
        .set("/process/rlimits", json!([{"type": "RLIMIT_FSIZE", "soft": 512, "hard": 512}]));
    let save = json!(["probe", "save", "/data/seen", "cwd", "umask", "then", "say", "x".repeat(4096)]);
    fs::create_dir(shared(&container)).unwrap();
    let source = shared(&container);
    let container = container
        .mount("/data", "bind", source, &["bind"])
        .hook_with("startContainer", json!({"path": "/probe", "args": save}));
    container.run().ok();
    let seen: Value =
        serde_json::from_str(&fs::read_to_string(shared(&container).join("seen")).unwrap()).unwrap();
    assert_eq!((&seen["cwd"], &seen["umask"]), (&json!("/data"), &json!("0077")));
}
