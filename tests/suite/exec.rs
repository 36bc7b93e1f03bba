//! exec: a second process in a container.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use skeg_tests::process::{LIMIT, Running, wait_for_end};
use skeg_tests::{Bundle, Invocation, Value, json, leftovers, need_root, not_runc};

/// A running container and what its init saw.
#[track_caller]
fn running_and_seeing(sections: &[&str], change: impl Fn(Bundle) -> Bundle) -> (Bundle, Value) {
    let container = change(Bundle::probe(&[&["see"], sections, &["then", "pause"]].concat()));
    container.create().ok();
    container.start().ok();
    let seen = serde_json::from_str(&container.line()).expect("JSON");
    (container, seen)
}

fn no_mkdir() -> Value {
    json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"],
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}],
    })
}

fn bits(set: &Value) -> u64 {
    u64::from_str_radix(set.as_str().expect("a set"), 16).expect("hex")
}

#[test]
fn exec_prints_what_the_program_prints() {
    need_root!();
    let container = Bundle::pausing().running();
    let output = container.exec(&["/probe", "say", "hello", "then", "complain", "oh"]).ok();
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("hello\n", "oh\n"));
}

#[test]
fn exec_hands_stdin_to_the_program() {
    need_root!();
    let container = Bundle::pausing().running();
    let output = container.exec_with(&[], &["/probe", "cat"]).input("some text").finish().ok();
    assert_eq!(output.stdout, "some text");
}

#[test]
fn exit_code_of_the_program_is_passed_on() {
    need_root!();
    Bundle::pausing().running().exec(&["/probe", "exit", "42"]).exits(42);
}

#[test]
fn death_by_signal_is_128_plus_its_number() {
    need_root!();
    Bundle::pausing().running().exec(&["/probe", "die", "9"]).exits(137);
}

#[test]
fn words_after_the_id_belong_to_the_program() {
    need_root!();
    let output = Bundle::pausing().running().exec(&["echo", "-t", "--cwd", "/tmp"]).ok();
    assert_eq!(output.stdout, "-t --cwd /tmp\n");
}

#[test]
fn exec_joins_everything_that_init_is_in() {
    need_root!();
    let (container, init) = running_and_seeing(&["namespaces", "cgroup"], |it| it);
    assert_eq!(container.exec_seen(&[], &["namespaces", "cgroup"]), init);
}

/// Seen failing where `exec` compiles its plan without the filter.
#[test]
fn exec_has_the_confinement_of_init() {
    need_root!();
    let (container, init) =
        running_and_seeing(&["caps", "seccomp", "rlimits"], |it| it.set("/linux/seccomp", no_mkdir()));
    let second = container.exec_seen(&[], &["caps", "seccomp", "rlimits"]);
    assert_eq!(init["seccomp"], second["seccomp"]);
    assert_eq!(init["caps"], second["caps"]);
    assert_eq!(init["rlimits"]["RLIMIT_NOFILE"], second["rlimits"]["RLIMIT_NOFILE"]);
}

#[test]
fn exec_is_a_session_of_its_own() {
    need_root!();
    let ids = &Bundle::pausing().running().exec_seen(&[], &["pid"])["pid"];
    assert_eq!((&ids["sid"], &ids["pgrp"]), (&ids["pid"], &ids["pid"]));
}

#[test]
fn variables_are_added_to_those_of_the_configuration() {
    need_root!();
    let container = Bundle::pausing().running();
    let seen = container.exec_seen(&["-e", "A=1", "-e", "TERM=dumb"], &["env"]);
    let env = seen["env"].as_array().unwrap();
    assert!(env.contains(&json!("A=1")), "{env:?}");
    assert!(env.contains(&json!("TERM=dumb")), "{env:?}");
    assert!(!env.contains(&json!("TERM=xterm")), "{env:?}");
    assert!(env.iter().any(|variable| variable.as_str().unwrap().starts_with("PATH=")), "{env:?}");
}

#[test]
fn working_directory_can_be_chosen() {
    need_root!();
    assert_eq!(Bundle::pausing().running().exec_seen(&["--cwd", "/tmp"], &["cwd"])["cwd"], "/tmp");
}

#[test]
fn user_and_group_can_be_chosen() {
    need_root!();
    let ids = &Bundle::pausing().running().exec_seen(&["--user", "1000:1001"], &["ids"])["ids"];
    assert_eq!(*ids, json!({"uid": 1000, "euid": 1000, "gid": 1001, "egid": 1001, "groups": []}));
}

#[test]
fn user_without_group_keeps_the_group_of_the_configuration() {
    need_root!();
    let container = Bundle::pausing().set("/process/user", json!({"uid": 5, "gid": 6})).running();
    let ids = &container.exec_seen(&["-u", "1000"], &["ids"])["ids"];
    assert_eq!((&ids["uid"], &ids["gid"]), (&json!(1000), &json!(6)));
}

/// Seen failing where the text is parsed as a signed number, cut to 32 bits, and 0 is what is none.
#[test]
fn user_that_is_no_number_is_refused() {
    need_root!();
    let container = Bundle::pausing().running();
    container.exec_with(&["-u", "nobody"], &["true"]).finish().exits(255);
    container.exec_with(&["-u", "1x"], &["true"]).finish().exits(255);
}

/// Seen failing where the text is parsed as a signed number and cut to 32 bits.
#[test]
fn user_out_of_range_is_refused() {
    need_root!();
    not_runc!();
    let container = Bundle::pausing().running();
    container.exec_with(&["-u", "-1"], &["true"]).finish().exits(255);
    container.exec_with(&["-u", "4294967295"], &["true"]).finish().exits(255);
    container.exec_with(&["-u", "4294967296"], &["true"]).finish().exits(255);
}

/// CVE-2026-30892: what is no number must not become 0. Seen failing where the text is parsed as a signed number, cut
/// to 32 bits, and 0 is what is none.
#[test]
fn user_is_the_number_however_it_is_written() {
    need_root!();
    not_runc!();
    let container = Bundle::pausing().set("/process/user", json!({"uid": 5, "gid": 6})).running();
    for (user, uid, gid) in [("1", 1, 6), ("1:0", 1, 0), ("0001", 1, 6), ("0:0001", 0, 1)] {
        let ids = &container.exec_seen(&["-u", user], &["ids"])["ids"];
        assert_eq!((&ids["uid"], &ids["gid"]), (&json!(uid), &json!(gid)), "{user}");
    }
    for user in [":", "1:", ":1", "+1", " 1", "0x1", "1:-1", "1:4294967295", "1:2:3", "root", "1\n"] {
        container.exec_with(&["--user", user], &["true"]).finish().exits(255);
    }
}

/// Seen failing with setgroups(2) taken out of nsexec's `credentials` and `program`: each of them holds.
#[test]
fn additional_groups_are_those_asked_for() {
    need_root!();
    let container = Bundle::pausing().running();
    let ids = &container.exec_seen(&["-g", "100", "-g", "65"], &["ids"])["ids"];
    let mut groups: Vec<i64> = ids["groups"].as_array().unwrap().iter().filter_map(Value::as_i64).collect();
    groups.sort_unstable();
    assert_eq!(groups, [65, 100]);
}

/// Seen failing without `check_groups`: the program ran without the group.
#[test]
fn further_groups_in_a_rootless_container_are_refused() {
    need_root!();
    const USER: u32 = 65_534;
    let mapping = json!([{"containerID": 0, "hostID": USER, "size": 1}]);
    let container = Bundle::pausing().user_namespace(USER).remove("/linux/resources");
    let container = container.set("/linux/uidMappings", mapping.clone()).set("/linux/gidMappings", mapping);
    // No group but one's own is mapped, and cgroups are not the user's.
    let container = container.edit(|config| {
        let mounts = config["mounts"].as_array_mut().unwrap();
        mounts.retain(|mount| !["devpts", "cgroup"].contains(&mount["type"].as_str().unwrap()));
    });
    fs::set_permissions(container.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let as_user = |it: Invocation| it.env("XDG_RUNTIME_DIR", container.path()).user(USER);
    container.detached(as_user(container.command("create", &[]))).ok();
    as_user(container.exec_with(&[], &["true"])).finish().ok();
    let output = as_user(container.exec_with(&["-g", "5"], &["true"])).finish().exits(255);
    output.fails_with("cannot set any additional groups in a rootless container");
    // It has no cgroup that could be thawed. Seen failing where it is tried.
    as_user(container.command("delete", &["--force"])).finish().ok();
}

/// Seen failing where `add_capabilities` also adds to the inheritable and ambient sets.
#[test]
fn added_capability_is_not_inheritable() {
    need_root!();
    // CVE-2022-29162: it must not get into the inheritable set. CAP_SYS_TIME is bit 25.
    let container = Bundle::pausing().running();
    let before = container.exec_seen(&[], &["caps"])["caps"].clone();
    let caps = container.exec_seen(&["--cap", "CAP_SYS_TIME"], &["caps"])["caps"].clone();
    for set in ["CapBnd", "CapPrm", "CapEff"] {
        assert_eq!(bits(&caps[set]), bits(&before[set]) | 1 << 25, "{set}");
    }
    assert_eq!(caps["CapInh"], before["CapInh"]);
    assert_eq!(bits(&caps["CapAmb"]) & (1 << 25), 0);
}

#[test]
fn no_new_privileges_can_be_asked_for() {
    need_root!();
    let container = Bundle::pausing().set("/process/noNewPrivileges", false).running();
    assert_eq!(container.exec_seen(&[], &["seccomp"])["seccomp"]["NoNewPrivs"], "0");
    assert_eq!(container.exec_seen(&["--no-new-privs"], &["seccomp"])["seccomp"]["NoNewPrivs"], "1");
}

#[test]
fn process_file_describes_the_whole_process() {
    need_root!();
    let container = Bundle::pausing().running();
    let process = json!({
        "args": ["/probe", "see", "cwd", "env", "ids"],
        "cwd": "/tmp",
        "env": ["ONLY=this"],
        "user": {"uid": 7, "gid": 8, "additionalGids": [9]},
    });
    fs::write(container.file("process.json"), process.to_string()).unwrap();
    let seen = container.command("exec", &["--process", "process.json"]).finish().ok().json();
    assert_eq!(seen["cwd"], "/tmp");
    assert!(seen["env"].as_array().unwrap().contains(&json!("ONLY=this")));
    assert!(!seen["env"].to_string().contains("TERM="));
    assert_eq!(seen["ids"], json!({"uid": 7, "euid": 7, "gid": 8, "egid": 8, "groups": [9]}));
}

/// The capabilities are those of the file and no others; the filter is the container's, which a file can't have. Seen
/// failing where `exec` compiles its plan without the filter, and with `drop_bounding` taken out of nsexec.
#[test]
fn process_file_confines_as_it_says() {
    need_root!();
    let container = Bundle::pausing().set("/linux/seccomp", no_mkdir()).running();
    let kill = json!(["CAP_KILL"]);
    let process = json!({
        "args": ["/probe", "see", "caps", "seccomp", "ids"],
        "cwd": "/",
        "user": {"uid": 0, "gid": 0},
        "noNewPrivileges": true,
        "capabilities": {"bounding": kill, "effective": kill, "permitted": kill},
    });
    fs::write(container.file("process.json"), process.to_string()).unwrap();
    let seen = container.command("exec", &["--process", "process.json"]).finish().ok().json();
    for set in ["CapBnd", "CapEff", "CapPrm"] {
        assert_eq!(bits(&seen["caps"][set]), 1 << 5, "{set}");
    }
    assert_eq!((bits(&seen["caps"]["CapInh"]), bits(&seen["caps"]["CapAmb"])), (0, 0));
    assert_eq!(seen["seccomp"], json!({"Seccomp": "2", "NoNewPrivs": "1"}));
    assert_eq!(seen["ids"]["groups"], json!([]));
}

/// What confines is the container's where the file is silent. Seen failing where the file is all there is.
#[test]
fn process_file_leaves_the_rest_to_the_container() {
    need_root!();
    let container = Bundle::pausing().set("/process/oomScoreAdj", 300);
    let container = container.set("/process/user/umask", 0o27).running();
    let process = json!({
        "args": ["/probe", "see", "caps", "rlimits", "oom_score_adj", "umask", "seccomp"],
        "cwd": "/",
        "user": {"uid": 0, "gid": 0},
    });
    fs::write(container.file("process.json"), process.to_string()).unwrap();
    let seen = container.command("exec", &["--process", "process.json"]).finish().ok().json();
    for set in ["CapBnd", "CapEff", "CapPrm"] {
        // CAP_KILL, CAP_NET_BIND_SERVICE and CAP_AUDIT_WRITE.
        assert_eq!(bits(&seen["caps"][set]), 1 << 5 | 1 << 10 | 1 << 29, "{set}");
    }
    assert_eq!(seen["oom_score_adj"], "300");
    // A switch that is not there is off.
    assert_eq!(seen["seccomp"]["NoNewPrivs"], "0");
    not_runc!();
    assert_eq!((&seen["rlimits"]["RLIMIT_NOFILE"], &seen["umask"]), (&json!([1024, 1024]), &json!("0027")));
}

#[test]
fn umask_of_the_process_file_is_used() {
    need_root!();
    not_runc!();
    let container = Bundle::pausing().running();
    let process =
        json!({"args": ["/probe", "see", "umask"], "cwd": "/", "user": {"uid": 0, "gid": 0, "umask": 0o27}});
    fs::write(container.file("process.json"), process.to_string()).unwrap();
    let seen = container.command("exec", &["--process", "process.json"]).finish().ok().json();
    assert_eq!(seen["umask"], "0027");
}

#[test]
fn broken_process_file_is_refused() {
    need_root!();
    let container = Bundle::pausing().running();
    fs::write(container.file("process.json"), "{").unwrap();
    container.command("exec", &["-p", "process.json"]).finish().exits(255);
    let missing = container.command("exec", &["-p", "missing.json"]).finish();
    missing.exits(255).fails_with("no such file or directory");
}

/// Seen failing with the places in a process.json that nobody wrote.
#[test]
fn wrong_flag_is_named_and_so_is_a_file() {
    need_root!();
    not_runc!();
    let container = Bundle::pausing().running();
    let refused =
        |flag: &str, value: &str| container.exec_with(&[flag, value], &["true"]).finish().exits(255);
    refused("-e", "A").fails_with("exec failed: --env: invalid environment variable: missing '='");
    refused("--cwd", "rel").fails_with("exec failed: --cwd: cwd must be an absolute path, not");
    fs::write(container.file("p.json"), r#"{"args": ["true"], "cwd": "rel"}"#).unwrap();
    let output = container.command("exec", &["-p", "p.json"]).finish().exits(255);
    output.fails_with("exec failed: p.json: cwd: cwd must be an absolute path");
}

/// Seen failing with an error, where runc goes on without the capability.
#[test]
fn unknown_capability_is_left_out_and_logged() {
    need_root!();
    let container = Bundle::pausing().running();
    let before = container.exec_seen(&[], &["caps"])["caps"].clone();
    assert_eq!(container.exec_seen(&["--cap", "CAP_FOO"], &["caps"])["caps"], before);
    not_runc!();
    let args = ["--debug", "exec", "--cap", "CAP_FOO", &container.id, "/probe", "exit", "0"];
    let output = container.runtime(&args).finish().ok();
    assert!(output.stderr.contains("ignoring unknown or unavailable capability CAP_FOO"), "{output}");
}

#[test]
fn exec_in_a_created_container_works() {
    need_root!();
    let container = Bundle::pausing();
    container.create().ok();
    assert_eq!(container.exec(&["/probe", "say", "hello"]).ok().stdout, "hello\n");
    assert_eq!(container.status(), "created");
}

#[test]
fn exec_in_a_stopped_container_is_refused() {
    need_root!();
    let container = Bundle::probe(&["exit", "0"]);
    container.create().ok();
    container.start().ok();
    container.wait();
    container.exec(&["true"]).exits(255).fails_with("cannot exec in a stopped container");
}

#[test]
fn exec_in_a_paused_container_is_refused() {
    need_root!();
    let container = Bundle::pausing().running();
    container.command("pause", &[]).finish().ok();
    container.exec(&["true"]).exits(255).fails_with("cannot exec in a paused container");
    container.command("resume", &[]).finish().ok();
}

#[test]
fn exec_in_an_unknown_container_is_refused() {
    need_root!();
    Bundle::new().exec(&["true"]).exits(255).fails_with("container does not exist");
}

#[test]
fn program_that_is_not_there_is_refused() {
    need_root!();
    let container = Bundle::pausing().running();
    let output = container.exec(&["missing"]).exits(255);
    output.fails_with("exec: \\\"missing\\\": executable file not found in $PATH");
    let output = container.exec(&["/missing"]).exits(255);
    output.fails_with("exec: \\\"/missing\\\": stat /missing: no such file or directory");
    // Seen failing where the directories of PATH are its candidates.
    container.exec(&[""]).exits(255).fails_with("exec: \\\"\\\": executable file not found in $PATH");
}

#[test]
fn file_that_is_not_executable_is_refused() {
    need_root!();
    let container = Bundle::pausing();
    fs::write(container.rootfs().join("plain"), "text").unwrap();
    let container = container.running();
    container.exec(&["/plain"]).exits(255).fails_with("permission denied");
    container.exec(&["/etc"]).exits(255);
}

#[test]
fn detached_exec_returns_while_the_program_runs() {
    need_root!();
    let container = Bundle::pausing().running();
    let options = ["--detach", "--pid-file", "exec.pid"];
    let (output, mut lines) = container.exec_with(&options, &["/probe", "pause"]).spawn().detach();
    output.ok();
    assert_eq!(lines.next().as_deref(), Some("ready"));
    let pid: i32 = fs::read_to_string(container.file("exec.pid")).unwrap().parse().unwrap();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    assert!(status.contains(&format!("PPid:\t{}\n", std::process::id())), "{status}");
    kill(Pid::from_raw(pid), Signal::SIGTERM).unwrap();
    wait_for_end(pid, "the detached process");
    assert_eq!(skeg_tests::sys::reap(pid).unwrap(), Some(0));
}

#[test]
fn processes_of_exec_end_with_init() {
    need_root!();
    let container = Bundle::pausing().running();
    let mut exec = container.exec_with(&[], &["/probe", "pause"]).spawn();
    assert_eq!(exec.line(), "ready");
    container.kill("KILL").ok();
    assert_eq!(exec.wait(), 137);
}

#[test]
fn signals_to_exec_reach_the_program() {
    need_root!();
    let container = Bundle::pausing().running();
    let mut exec = container.exec_with(&[], &["/probe", "pause"]).spawn();
    assert_eq!(exec.line(), "ready");
    exec.signal(libc::SIGUSR1);
    assert_eq!(exec.line(), "signal 10");
    exec.signal(libc::SIGTERM);
    assert_eq!(exec.wait(), 0);
}

#[test]
fn program_is_found_by_the_path_variable() {
    need_root!();
    let container = Bundle::pausing().running();
    container.exec(&["true"]).ok();
    container.exec_with(&["-e", "PATH=/nowhere"], &["true"]).finish().exits(255);
}

#[test]
fn home_comes_from_the_passwd_file_of_the_container() {
    need_root!();
    let container = Bundle::pausing();
    let users = "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:\n";
    fs::write(container.rootfs().join("etc/passwd"), users).unwrap();
    let seen = container.running().exec_seen(&["-u", "1000"], &["env"]);
    assert!(seen["env"].as_array().unwrap().contains(&json!("HOME=/home/ann")), "{seen}");
}

/// Nothing in skeg looks a user's name up: seen failing where `set_user` takes 1000 for the name of user 0.
#[test]
fn numeric_user_is_never_looked_up_as_a_name() {
    need_root!();
    // CVE-2016-3697: a user called "1000" with uid 0.
    let container = Bundle::pausing();
    fs::write(container.rootfs().join("etc/passwd"), "1000:x:0:0::/:/bin/sh\n").unwrap();
    assert_eq!(container.running().exec_seen(&["-u", "1000"], &["ids"])["ids"]["uid"], 1000);
}

/// Seen failing with the loop taken out of the end of `Signals`: the signal ended the exec without a word.
#[test]
fn exec_that_fails_after_a_signal_says_why() {
    need_root!();
    let container = Bundle::pausing().running();
    container.command("pause", &[]).finish().ok();
    let mut exec = container.exec_with(&["--ignore-paused"], &["missing"]).spawn();
    let deadline = Instant::now() + LIMIT;
    // It is frozen as well.
    while fs::read_to_string(container.cgroup("freezer").join("cgroup.procs")).unwrap().lines().count() < 2 {
        assert!(Instant::now() < deadline && !exec.has_ended(), "{}", exec.errors());
        thread::sleep(Duration::from_millis(1));
    }
    exec.signal(libc::SIGTERM);
    container.command("resume", &[]).finish().ok();
    exec.finish().exits(255).fails_with("executable file not found in $PATH");
}

#[test]
fn exec_without_a_command_is_refused() {
    need_root!();
    Bundle::pausing().running().exec(&[]).exits(255);
}

/// A container whose init sends a signal to all it sees, until there is a file `/stop`.
fn striking(signal: Signal) -> Bundle {
    let container = Bundle::probe(&["strike", &(signal as i32).to_string(), "/stop"]);
    container.create().ok();
    container.start().ok();
    assert_eq!(container.line(), "striking");
    container
}

/// Seen failing where the runtime keeps nsexec's end of the sync socket open: what was killed was waited for.
#[test]
fn init_that_kills_whoever_joins_it_makes_no_exec_hang() {
    need_root!();
    let container = striking(Signal::SIGKILL);
    let mut killed = 0;
    for _ in 0..200 {
        let exec = container.exec(&["/probe", "exit", "0"]);
        killed += u32::from(exec.code != 0);
        match exec.code {
            0 | 137 => assert_eq!(exec.stderr, "", "{exec}"),
            _ => drop(exec.fails_with("exec failed: ")),
        }
    }
    assert!(killed > 0, "none was killed");
    assert_eq!(container.status(), "running");
    fs::write(container.rootfs().join("stop"), "").unwrap();
    // What is killed before it is anybody's is the caller's to wait for, and init ends after it.
    leftovers::wait_reaping_others(container.pid());
    assert_eq!(container.wait(), 0);
}

/// What is stopped can still be killed. Seen failing with the SIGKILL taken out of delete.rs: each exec was waited for.
#[test]
fn init_that_stops_whoever_joins_it_is_deleted_by_force() {
    need_root!();
    let container = striking(Signal::SIGSTOP);
    let execs = execs_until_one_is_stopped(&container);
    let mut delete = container.command("delete", &["--force"]).spawn();
    let ends: Vec<i32> = execs.into_iter().map(|exec| exec.detach().0.code).collect();
    assert!(ends.iter().any(|code| [137, 255].contains(code)), "{ends:?}");
    // What ends before it is anybody's is the caller's to wait for, and init ends after it.
    assert!(leftovers::wait_reaping_others(delete.pid()), "{}", delete.errors());
    assert_eq!(delete.wait(), 0, "{}", delete.errors());
    leftovers::wait_for_all_children();
    container.nothing_left();
}

/// Execs in a container whose init stops who joins, of which one is stopped. Any may be quicker than init is.
fn execs_until_one_is_stopped(container: &Bundle) -> Vec<Running> {
    let mut execs: Vec<Running> = Vec::new();
    let deadline = Instant::now() + LIMIT;
    while !is_any_stopped(container) {
        assert!(Instant::now() < deadline, "nothing is stopped, of {} execs", execs.len());
        if execs.iter_mut().all(Running::has_ended) {
            execs.extend((0..5).map(|_| container.exec_with(&[], &["/probe", "exit", "0"]).spawn()));
        }
        thread::sleep(Duration::from_millis(1));
    }
    execs
}

/// Whether a process in the container's PID namespace is stopped.
fn is_any_stopped(container: &Bundle) -> bool {
    let namespace = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let own = namespace(&container.pid().to_string());
    let is_stopped = |pid: &str| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(')').is_some_and(|(_, rest)| rest.starts_with(" T")) && namespace(pid) == own
    };
    fs::read_dir("/proc").unwrap().flatten().any(|it| it.file_name().to_str().is_some_and(is_stopped))
}

/// Seen failing without the Chroot of `compile_exec`: the program was looked for on the host.
#[test]
fn container_without_a_mount_namespace_is_entered_at_its_root() {
    need_root!();
    not_runc!();
    let container = Bundle::pausing().without_namespace("mount").set("/mounts", json!([]));
    let container = container.remove("/linux/maskedPaths").remove("/linux/readonlyPaths");
    let container = container.set("/root/readonly", false).running();
    let seen = container.exec_seen(&["--cwd", "/bin"], &["cwd"]);
    assert_eq!(seen["cwd"], "/bin", "{seen}");
}
