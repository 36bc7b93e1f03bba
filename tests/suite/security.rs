//! Capabilities, no_new_privs, seccomp; and attacks of the past.

use std::fs;
use std::os::unix::fs::symlink;

use skeg_tests::{Bundle, Value, json, need_root, not_runc, only_skeg};

const CHOWN: u64 = 1 << 0;
const KILL: u64 = 1 << 5;
const NET_BIND_SERVICE: u64 = 1 << 10;
const SYS_ADMIN: u64 = 1 << 21;
const AUDIT_WRITE: u64 = 1 << 29;

fn bits(seen: &Value, set: &str) -> u64 {
    u64::from_str_radix(seen[set].as_str().expect("a set"), 16).expect("hex")
}

/// A profile that allows everything but `names`, which get `action`.
fn profile(names: &[&str], action: &str) -> Value {
    json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"],
        "syscalls": [{"names": names, "action": action}],
    })
}

#[test]
fn default_capabilities_are_in_all_sets_but_inheritable() {
    need_root!();
    let caps = Bundle::seeing(&["caps"]).seen_one();
    for set in ["CapBnd", "CapPrm", "CapEff"] {
        assert_eq!(bits(&caps, set), KILL | NET_BIND_SERVICE | AUDIT_WRITE, "{set}");
    }
    assert_eq!(bits(&caps, "CapInh"), 0);
}

#[test]
fn each_set_of_capabilities_is_its_own() {
    need_root!();
    let sets = json!({
        "bounding": ["CAP_CHOWN", "CAP_KILL", "CAP_SYS_ADMIN"],
        "permitted": ["CAP_CHOWN", "CAP_KILL"],
        "effective": ["CAP_CHOWN"],
        "inheritable": ["CAP_CHOWN", "CAP_KILL"],
        "ambient": ["CAP_KILL"],
    });
    let user = json!({"uid": 1000, "gid": 1000});
    let container = Bundle::seeing(&["caps"]).set("/process/capabilities", sets);
    let caps = container.set("/process/user", user).set("/process/noNewPrivileges", false).seen_one();
    assert_eq!(bits(&caps, "CapBnd"), CHOWN | KILL | SYS_ADMIN);
    assert_eq!(bits(&caps, "CapInh"), CHOWN | KILL);
    // Of a user that is not root, only the ambient set survives the exec.
    assert_eq!(bits(&caps, "CapAmb"), KILL);
    assert_eq!(bits(&caps, "CapPrm"), KILL);
    assert_eq!(bits(&caps, "CapEff"), KILL);
}

#[test]
fn no_capabilities_means_none() {
    need_root!();
    let caps = Bundle::seeing(&["caps"]).set("/process/capabilities", json!({})).seen_one();
    for set in ["CapBnd", "CapPrm", "CapEff", "CapInh", "CapAmb"] {
        assert_eq!(bits(&caps, set), 0, "{set}");
    }
}

#[test]
fn unknown_capability_is_ignored() {
    need_root!();
    let sets =
        json!({"bounding": ["CAP_FISH", "CAP_KILL"], "effective": ["CAP_KILL"], "permitted": ["CAP_KILL"]});
    let caps = Bundle::seeing(&["caps"]).set("/process/capabilities", sets).seen_one();
    assert_eq!(bits(&caps, "CapBnd"), KILL);
}

/// "Logged as a warning" (config.md). Seen failing without a word.
#[test]
fn capability_that_the_caller_lacks_is_left_out_and_logged() {
    need_root!();
    let sets = json!({"bounding": ["CAP_SYS_TIME", "CAP_KILL"], "permitted": ["CAP_KILL"]});
    let container = Bundle::seeing(&["caps"]).set("/process/capabilities", sets);
    let runtime = skeg_tests::host::runtime().display().to_string();
    let root = container.state_root().display().to_string();
    let words = ["--bounding-set", "-sys_time", &runtime, "--debug", "--root", &root, "run", &container.id];
    let run = skeg_tests::Invocation::new("setpriv").args(words).cwd(container.path()).finish();
    not_runc!();
    let run = run.ok();
    assert_eq!(bits(&run.json()["caps"], "CapBnd"), KILL);
    assert!(run.stderr.contains("ignoring unknown or unavailable capability CAP_SYS_TIME"), "{run}");
}

/// SECBIT_NO_SETUID_FIXUP, SECBIT_KEEP_CAPS and SECBIT_NO_CAP_AMBIENT_RAISE of capabilities(7).
const ODD: i32 = 1 << 2 | 1 << 4 | 1 << 6;

/// Root and a user, without and with a user namespace; the probe does `commands`, then waits.
fn of_every_user(commands: &[&str]) -> [Bundle; 4] {
    let user = json!({"uid": 1000, "gid": 1000});
    let container = || Bundle::probe(&[commands, &["then", "pause"]].concat());
    [
        container(),
        container().set("/process/user", user.clone()),
        container().user_namespace(100_000),
        container().user_namespace(100_000).set("/process/user", user),
    ]
}

/// Whoever calls with these bits: what init, an exec and an exec as a user see of their securebits and capabilities.
fn confined_under(bits: i32, container: &Bundle) -> [Value; 3] {
    container.detached(container.command("create", &[]).securebits(bits)).ok();
    container.start().ok();
    let init = serde_json::from_str(&container.line()).expect("JSON");
    let exec = |options: &[&str]| {
        let words = ["/probe", "see", "securebits", "caps"];
        container.exec_with(options, &words).securebits(bits).finish().ok().json()
    };
    [init, exec(&[]), exec(&["--user", "7:7"])]
}

#[test]
fn securebits_are_none() {
    need_root!();
    for container in of_every_user(&["see", "securebits", "caps"]) {
        for seen in confined_under(0, &container) {
            assert_eq!(seen["securebits"], 0, "{seen}");
        }
    }
}

/// Seen failing with `clear_securebits` taken out of nsexec's `container`: 0x44 arrived.
#[test]
fn securebits_of_the_caller_do_not_arrive() {
    need_root!();
    not_runc!();
    let plain = of_every_user(&["see", "securebits", "caps"]);
    let odd = of_every_user(&["see", "securebits", "caps"]);
    for (plain, odd) in plain.iter().zip(&odd) {
        assert_eq!(confined_under(ODD, odd), confined_under(0, plain));
    }
}

/// What the caller keeps when it changes its user, the container's root does not. Seen failing with `clear_securebits`
/// taken out of nsexec's `container`: the user had all of root's capabilities.
#[test]
fn root_that_becomes_a_user_has_no_capabilities_whatever_the_caller_keeps() {
    need_root!();
    not_runc!();
    let all = json!(["CAP_SETUID", "CAP_SYS_ADMIN"]);
    let container = Bundle::probe(&["become", "1000", "then", "see", "caps"]).set(
        "/process/capabilities",
        json!({"bounding": all, "effective": all, "permitted": all, "inheritable": all, "ambient": all}),
    );
    let caps = container.command("run", &[]).securebits(ODD).finish().ok().json();
    for set in ["CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(bits(&caps["caps"], set), 0, "{set}");
    }
}

#[test]
fn no_new_privileges_is_as_configured() {
    need_root!();
    assert_eq!(Bundle::seeing(&["seccomp"]).seen_one()["NoNewPrivs"], "1");
    let container = Bundle::seeing(&["seccomp"]).set("/process/noNewPrivileges", false);
    assert_eq!(container.seen_one()["NoNewPrivs"], "0");
}

#[test]
fn no_profile_means_no_filter() {
    need_root!();
    assert_eq!(Bundle::seeing(&["seccomp"]).seen_one()["Seccomp"], "0");
}

#[test]
fn blocked_system_call_gets_its_errno() {
    need_root!();
    let container = Bundle::seeing(&["seccomp", "mkdir:/tmp/made"]).set("/root/readonly", false);
    let seen = container.set("/linux/seccomp", profile(&["mkdir", "mkdirat"], "SCMP_ACT_ERRNO")).seen();
    assert_eq!(seen["seccomp"]["Seccomp"], "2");
    assert_eq!(seen["mkdir:/tmp/made"]["error"], "EPERM");
}

#[test]
fn blocked_system_call_gets_the_errno_of_the_rule() {
    need_root!();
    let mut profile = profile(&["mkdir", "mkdirat"], "SCMP_ACT_ERRNO");
    profile["syscalls"][0]["errnoRet"] = 28.into();
    let container = Bundle::seeing(&["mkdir:/tmp/made"]).set("/linux/seccomp", profile);
    assert_eq!(container.seen_one()["error"], "ENOSPC");
}

#[test]
fn filter_is_loaded_without_no_new_privileges() {
    need_root!();
    let container = Bundle::seeing(&["seccomp", "mkdir:/tmp/made"]).set("/process/noNewPrivileges", false);
    let seen = container.set("/linux/seccomp", profile(&["mkdir", "mkdirat"], "SCMP_ACT_ERRNO")).seen();
    assert_eq!((&seen["seccomp"]["NoNewPrivs"], &seen["seccomp"]["Seccomp"]), (&json!("0"), &json!("2")));
    assert_eq!(seen["mkdir:/tmp/made"]["error"], "EPERM");
}

/// Seen failing with the filter loaded before no_new_privs is set.
#[test]
fn filter_is_loaded_for_a_user_without_capabilities() {
    need_root!();
    let container = Bundle::seeing(&["seccomp"]).set("/process/user", json!({"uid": 1000, "gid": 1000}));
    let container = container.set("/process/capabilities", json!({}));
    let seen = container.set("/linux/seccomp", profile(&["mkdir"], "SCMP_ACT_ERRNO")).seen_one();
    assert_eq!(seen["Seccomp"], "2");
}

#[test]
fn killing_action_kills() {
    need_root!();
    let container = Bundle::seeing(&["mkdir:/tmp/made"]).without_namespace("pid");
    let container = container.set("/linux/seccomp", profile(&["mkdir", "mkdirat"], "SCMP_ACT_KILL_PROCESS"));
    container.run().exits(128 + libc::SIGSYS);
}

/// A profile whose default meets nothing but the call that the test makes.
fn profile_by_default(names: &[&str], action: &str) -> Value {
    let mut allowed = everyday_calls();
    allowed.as_array_mut().expect("a list").retain(|call| !names.iter().any(|name| call == name));
    json!({
        "defaultAction": action,
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"],
        "syscalls": [{"names": allowed, "action": "SCMP_ACT_ALLOW"}],
    })
}

/// `make`: the profile that has the action for these calls.
#[track_caller]
fn each_action(make: fn(&[&str], &str) -> Value) {
    let end = |action: &str| {
        let container = Bundle::seeing(&["mkdir:/dev/made"]).without_namespace("pid");
        container.set("/linux/seccomp", make(&["mkdir", "mkdirat"], action)).run()
    };
    for action in ["SCMP_ACT_ALLOW", "SCMP_ACT_LOG"] {
        assert_eq!(end(action).ok().json()["mkdir:/dev/made"], "ok", "{action}");
    }
    assert_eq!(end("SCMP_ACT_ERRNO").ok().json()["mkdir:/dev/made"]["error"], "EPERM");
    // Nobody traces it: the call is as if the kernel did not have it (seccomp(2)).
    assert_eq!(end("SCMP_ACT_TRACE").ok().json()["mkdir:/dev/made"]["error"], "ENOSYS");
    // The probe has one thread.
    for action in ["SCMP_ACT_KILL", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_TRAP"] {
        end(action).exits(128 + libc::SIGSYS);
    }
}

#[test]
fn each_action_of_a_rule_does_what_it_says() {
    need_root!();
    each_action(profile);
}

#[test]
fn each_default_action_does_what_it_says() {
    need_root!();
    not_runc!();
    each_action(profile_by_default);
}

#[test]
fn default_action_has_its_errno() {
    need_root!();
    let mut profile = profile_by_default(&["mkdir", "mkdirat"], "SCMP_ACT_ERRNO");
    profile["defaultErrnoRet"] = json!(libc::EXDEV);
    let seen = Bundle::seeing(&["mkdir:/dev/made"]).set("/linux/seccomp", profile).seen_one();
    assert_eq!(seen["error"], "EXDEV");
}

#[test]
fn each_flag_of_a_filter_is_taken() {
    need_root!();
    not_runc!();
    for flag in ["SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"] {
        let mut profile = profile(&["mkdir", "mkdirat"], "SCMP_ACT_ERRNO");
        profile["flags"] = json!([flag]);
        let seen = Bundle::seeing(&["mkdir:/tmp/made", "seccomp"]).set("/linux/seccomp", profile).seen();
        assert_eq!(seen["mkdir:/tmp/made"]["error"], "EPERM", "{flag}");
        assert_eq!(seen["seccomp"]["Seccomp"], "2", "{flag}");
    }
}

#[test]
fn each_comparison_of_an_argument_decides() {
    need_root!();
    // personality(0xffffffff) is what the probe asks with; its bare call has zeroes.
    let all = 0xffff_ffff_u32;
    let cases = [
        (json!({"op": "SCMP_CMP_EQ", "value": 0}), false, true),
        (json!({"op": "SCMP_CMP_NE", "value": 0}), true, false),
        (json!({"op": "SCMP_CMP_LT", "value": 1}), false, true),
        (json!({"op": "SCMP_CMP_LE", "value": 0}), false, true),
        (json!({"op": "SCMP_CMP_GT", "value": 0}), true, false),
        (json!({"op": "SCMP_CMP_GE", "value": all}), true, false),
        (json!({"op": "SCMP_CMP_MASKED_EQ", "value": 3, "valueTwo": 3}), true, false),
    ];
    let bare = format!("syscall:{}", libc::SYS_personality);
    for (mut condition, asked, zero) in cases {
        condition["index"] = json!(0);
        let mut profile = profile(&["personality"], "SCMP_ACT_ERRNO");
        profile["syscalls"][0]["args"] = json!([condition]);
        let seen = Bundle::seeing(&["personality", &bare]).set("/linux/seccomp", profile).seen();
        assert_eq!(seen["personality"] != 0, asked, "{condition}: {seen}");
        assert_eq!(seen[&bare]["error"] == "EPERM", zero, "{condition}: {seen}");
    }
}

#[test]
fn argument_of_a_call_decides() {
    need_root!();
    // personality(0xffffffff) asks, anything else changes; only the question is allowed.
    let rule = json!({"names": ["personality"], "action": "SCMP_ACT_ERRNO",
        "args": [{"index": 0, "value": 0xffff_ffff_u32, "op": "SCMP_CMP_NE"}]});
    let profile =
        json!({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"], "syscalls": [rule]});
    let blocked = format!("syscall:{}", libc::SYS_personality);
    let seen = Bundle::seeing(&["personality", &blocked]).set("/linux/seccomp", profile).seen();
    assert_eq!(seen["personality"], 0);
    assert_eq!(seen[blocked]["error"], "EPERM");
}

/// Seen failing with the default action for numbers above the highest in `Background::action`.
#[test]
fn call_newer_than_the_profile_is_unknown_to_the_kernel() {
    need_root!();
    let profile = json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": [{"names": everyday_calls(), "action": "SCMP_ACT_ALLOW"}],
    });
    let seen = Bundle::seeing(&["syscall:165", "syscall:9999"]).set("/linux/seccomp", profile).seen();
    assert_eq!(seen["syscall:165"]["error"], "EPERM");
    assert_eq!(seen["syscall:9999"]["error"], "ENOSYS");
}

/// What a static program and a runtime's last steps need.
fn everyday_calls() -> Value {
    json!([
        "read",
        "write",
        "open",
        "openat",
        "close",
        "close_range",
        "fstat",
        "newfstatat",
        "statx",
        "lseek",
        "mmap",
        "mprotect",
        "munmap",
        "brk",
        "rt_sigaction",
        "rt_sigprocmask",
        "rt_sigreturn",
        "ioctl",
        "access",
        "poll",
        "ppoll",
        "sigaltstack",
        "execve",
        "execveat",
        "exit",
        "exit_group",
        "arch_prctl",
        "set_tid_address",
        "set_robust_list",
        "rseq",
        "prlimit64",
        "getrandom",
        "readlink",
        "readlinkat",
        "fcntl",
        "getdents64",
        "futex",
        "sched_yield",
        "getpid",
        "gettid",
        "tgkill",
        "capget",
        "capset",
        "prctl",
        "setuid",
        "setgid",
        "setgroups",
        "chdir",
        "fchdir",
        "getcwd",
        "nanosleep",
        "clock_nanosleep",
        "madvise",
        "sched_getaffinity",
        "epoll_pwait",
        "writev",
        "kill",
        "wait4",
        "getppid",
        "uname",
        "getuid",
        "geteuid",
        "getgid",
        "getegid",
        "fstatfs",
        "statfs",
        "pidfd_send_signal",
        "faccessat2",
        "openat2",
        "clone3",
        "setsid",
        "dup3",
        "sendmsg",
        "recvmsg",
        "sendto",
        "recvfrom",
        "shutdown",
    ])
}

/// Seen failing where `exec` compiles its plan without the filter.
#[test]
fn exec_gets_the_filter_of_the_configuration() {
    need_root!();
    let container = Bundle::pausing().set("/linux/seccomp", profile(&["mkdir", "mkdirat"], "SCMP_ACT_ERRNO"));
    let container = container.running();
    let seen = container.exec_seen(&[], &["seccomp", "mkdir:/tmp/made"]);
    assert_eq!(seen["seccomp"]["Seccomp"], "2");
    assert_eq!(seen["mkdir:/tmp/made"]["error"], "EPERM");
}

#[test]
fn unknown_seccomp_action_is_refused() {
    need_root!();
    let container = Bundle::new().set("/linux/seccomp", profile(&["mkdir"], "SCMP_ACT_FISH"));
    container.run().fails_with("SCMP_ACT_FISH");
    container.nothing_left();
}

#[test]
fn unknown_system_call_in_a_profile_is_ignored() {
    need_root!();
    let container = Bundle::seeing(&["seccomp"]);
    let profile = profile(&["fishing_at", "mkdir"], "SCMP_ACT_ERRNO");
    assert_eq!(container.set("/linux/seccomp", profile).seen_one()["Seccomp"], "2");
}

/// Seen failing without close_on_exec_from in `Kept::claim`, the step that makes the directory, openat2(2) in nsexec's
/// `enter` and its look at getcwd(2): each of them holds.
#[test]
fn working_directory_on_a_leaked_descriptor_is_refused() {
    need_root!();
    not_runc!();
    // CVE-2024-21626, with every number that a runtime may use for a descriptor of its own.
    for number in 3..20 {
        let container = Bundle::seeing(&["cwd"]).set("/process/cwd", format!("/proc/self/fd/{number}"));
        let run = container.command("run", &[]).give(host_root(), 9).finish();
        assert_ne!(run.code, 0, "{run}");
        container.nothing_left();
    }
}

/// Seen failing without close_on_exec_from in `Kept::claim`, openat2(2) in nsexec's `enter` and its look at getcwd(2):
/// each of them holds.
#[test]
fn working_directory_of_exec_on_a_leaked_descriptor_is_refused() {
    need_root!();
    not_runc!();
    let container = Bundle::pausing();
    symlink("/proc/self/fd/9", container.rootfs().join("leak")).unwrap();
    let container = container.running();
    for path in ["/proc/self/fd/3", "/proc/self/fd/7", "/proc/self/fd/9", "/leak"] {
        let exec =
            container.exec_with(&["--cwd", path], &["/probe", "see", "cwd"]).give(host_root(), 9).finish();
        assert_ne!(exec.code, 0, "{path}: {exec}");
    }
}

/// Seen failing with the umount of the old root taken out of nsexec's `pivot`.
#[test]
fn working_directory_climbs_no_further_than_the_root() {
    need_root!();
    let container = Bundle::seeing(&["cwd", "list:."]).set("/process/cwd", "/../../..");
    let seen = container.seen();
    assert_eq!(seen["cwd"], "/");
    assert!(seen["list:."].as_array().unwrap().contains(&json!("probe")));
}

/// Seen failing without close_on_exec_from in `Kept::claim`, openat2(2) in nsexec's `executable` and `close_from` in
/// its `exec`: each of them holds.
#[test]
fn program_named_by_a_descriptor_is_refused() {
    only_skeg!(); // An attack that works would hit this host.
    need_root!();
    for number in 3..12 {
        let path = format!("/proc/self/fd/{number}");
        let container = Bundle::new().args(&[&path, "say", "executed"]);
        let program = fs::File::open(skeg_tests::host::probe()).unwrap();
        let run = container.command("run", &[]).give(program.into(), 9).finish();
        assert_ne!(run.code, 0, "{run}");
    }
}

/// CVE-2019-5736: what the container can see of us is held until nobody executes it any more, and is then written to.
/// Seen failing without the seals of `sealed_program`: every program that was held was written to.
#[test]
fn runtime_cannot_be_opened_for_writing_from_inside() {
    only_skeg!(); // An attack that works would hit this host.
    need_root!();
    let all = json!(["CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_SYS_ADMIN"]);
    let container = Bundle::probe(&["overwrite", "nsexec", "/stop"])
        .set("/process/capabilities", json!({"bounding": all, "effective": all, "permitted": all}));
    let before = fs::read(skeg_tests::host::runtime()).unwrap();
    container.create().ok();
    container.start().ok();
    assert_eq!(container.line(), "waiting");
    for _ in 0..100 {
        container.exec(&["/probe", "exit", "0"]).ok();
    }
    fs::write(container.rootfs().join("stop"), "").unwrap();
    let seen: Value = serde_json::from_str(&container.line()).unwrap();
    assert!(seen["held"].as_u64().unwrap() > 5, "it was never there to be held: {seen}");
    assert_eq!(seen["written"], 0, "{seen}");
    assert!(fs::read(skeg_tests::host::runtime()).unwrap() == before);
}

fn host_root() -> std::os::fd::OwnedFd {
    fs::File::open("/").unwrap().into()
}
