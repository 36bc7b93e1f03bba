//! The program: where it is found, where it starts, what it inherits.

use crate::harness;
use crate::plan::{DAC_OVERRIDE, Plan, c, credentials, list, program, program_with};
use skeg_proto::step::StepBuf;
use skeg_proto::{Op, Stage};
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{PermissionsExt, symlink};

fn executable(plan: &Plan, path: &str, text: &str) {
    fs::write(plan.path(path), text).unwrap();
    fs::set_permissions(plan.path(path), fs::Permissions::from_mode(0o755)).unwrap();
}

/// A plan whose program is looked for at these places.
fn looked_for(paths: &[&str]) -> Plan {
    let mut plan = Plan::new(&["true"]);
    plan.setup[5] = StepBuf::Candidates { paths: list(paths), flags: 0 };
    plan
}

/// What the lookup failed with: errno and position.
fn lookup(plan: Plan) -> (u32, u32) {
    let failure = plan.pivot().run().failure().expect("the start fails");
    assert_eq!((failure.stage, failure.op), (Stage::Setup, Op::Lookup));
    (failure.errno, failure.detail)
}

#[test]
fn the_first_usable_candidate_is_executed() {
    let plan = looked_for(&["/nowhere/true", "/etc/passwd", "/bin", "/bin/true"]);
    fs::write(plan.path("etc/passwd"), "").unwrap();
    assert_eq!(plan.pivot().run().code(), Some(0));
}

#[test]
fn a_missing_program_fails_before_ready() {
    assert_eq!(lookup(looked_for(&["/bin/missing", "/bin/true/below"])), (2, 0));
}

#[test]
fn a_program_that_may_not_be_executed_fails_before_ready() {
    let plan = looked_for(&["/missing", "/etc/passwd"]);
    fs::write(plan.path("etc/passwd"), "").unwrap();
    assert_eq!(lookup(plan), (13, 1));
}

#[test]
fn a_directory_is_no_program() {
    assert_eq!(lookup(looked_for(&["/bin"])), (21, 0));
}

#[test]
fn the_users_own_rights_count() {
    let plan = looked_for(&["/etc/private"]);
    executable(&plan, "etc/private", "");
    fs::set_permissions(plan.path("etc/private"), fs::Permissions::from_mode(0o700)).unwrap();
    let plan = plan.with(StepBuf::Pivot {}).with(program(1000));
    let failure = plan.run().failure().unwrap();
    assert_eq!((failure.op, failure.errno), (Op::Lookup, 13));
}

/// Seen failing with the rights of the user alone.
#[test]
fn the_capabilities_that_the_process_will_have_count() {
    for (user, effective, errno) in [(1000, DAC_OVERRIDE, None), (0, 0, Some(13)), (0, DAC_OVERRIDE, None)] {
        let plan = looked_for(&["/etc/private"]);
        executable(&plan, "etc/private", "#!/bin/true\n");
        fs::set_permissions(plan.path("etc/private"), fs::Permissions::from_mode(0o700)).unwrap();
        let owner = Some(if user == 0 { 1000 } else { 0 });
        std::os::unix::fs::chown(plan.path("etc/private"), owner, owner).unwrap();
        let plan = plan.with(StepBuf::Pivot {}).with(program_with(user, effective));
        assert_eq!(plan.run().failure().map(|failure| failure.errno), errno, "{user} {effective}");
    }
}

/// Seen failing where what was found is executed.
#[test]
fn a_program_is_executed_by_its_own_name() {
    let plan = looked_for(&["/tmp/script"]);
    executable(&plan, "tmp/script", "#!/bin/echo\n");
    let step = StepBuf::Program { uid: 0, gid: 0, effective: DAC_OVERRIDE, name: c("./script") };
    let plan = plan.with(StepBuf::Pivot {}).with(step).before_exec(StepBuf::Workdir { path: c("/tmp") });
    assert_eq!(plan.run().stdout, "./script\n");
}

#[test]
fn the_users_groups_count() {
    let plan = looked_for(&["/bin/true"]);
    let binary = plan.path("bin/busybox");
    std::os::unix::fs::chown(&binary, Some(0), Some(4242)).unwrap();
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o750)).unwrap();
    let mut plan = plan
        .with(StepBuf::Groups { gids: vec![7, 4242], flags: 0 })
        .with(StepBuf::Pivot {})
        .with(program(1000));
    plan.start[0] = credentials(1000);
    assert_eq!(plan.run().code(), Some(0));
}

#[test]
fn a_program_that_the_kernel_refuses_is_named_on_stderr() {
    let plan = looked_for(&["/etc/text"]);
    executable(&plan, "etc/text", "no program\n");
    let outcome = plan.pivot().run();
    assert_eq!(outcome.failure(), None);
    assert_eq!(outcome.stderr, "exec /etc/text: exec format error\n");
    assert_eq!(outcome.code(), Some(126));
}

#[test]
fn a_missing_interpreter_is_exit_code_127() {
    let plan = looked_for(&["/etc/script"]);
    executable(&plan, "etc/script", "#!/bin/missing\n");
    let outcome = plan.pivot().run();
    assert_eq!(outcome.stderr, "exec /etc/script: no such file or directory\n");
    assert_eq!(outcome.code(), Some(127));
}

#[test]
fn the_working_directory_is_entered() {
    let plan = Plan::new(&["pwd"]).pivot().before_exec(StepBuf::Workdir { path: c("/tmp") });
    assert_eq!(plan.run().stdout, "/tmp\n");
}

#[test]
fn a_missing_working_directory_is_reported() {
    let plan = Plan::new(&["pwd"]).pivot().before_exec(StepBuf::Workdir { path: c("/missing") });
    let failure = plan.run().failure().unwrap();
    assert_eq!((failure.stage, failure.op, failure.errno), (Stage::Start, Op::Chdir, 2));
}

/// Seen failing with openat(2) in the place of openat2(2) in `enter`, and without the look at getcwd(2).
#[test]
fn a_working_directory_outside_the_root_is_refused() {
    let host = File::open("/").unwrap();
    let plan = Plan::new(&["pwd"]);
    symlink("/proc/self/fd/9", plan.path("link")).unwrap();
    let plan = plan.pivot().before_exec(StepBuf::Workdir { path: c("/link") });
    let outcome = harness::run(&plan.bytes(), &[(host.as_raw_fd(), 9)]);
    assert_eq!(outcome.failure().map(|failure| failure.op), Some(Op::Chdir), "{outcome:?}");
}

#[test]
fn a_program_behind_a_leaked_descriptor_is_refused() {
    let host = File::open("/").unwrap();
    let plan = looked_for(&["/proc/self/fd/9/bin/true"]).pivot();
    let outcome = harness::run(&plan.bytes(), &[(host.as_raw_fd(), 9)]);
    assert_eq!(outcome.failure().map(|failure| failure.op), Some(Op::Lookup), "{outcome:?}");
}

/// Seen failing with `close_from` taken out of `exec`.
#[test]
fn an_interpreter_behind_a_leaked_descriptor_is_refused() {
    let host = File::open("/").unwrap();
    let plan = looked_for(&["/etc/script"]);
    // One that would run: it is static.
    executable(&plan, "etc/script", "#!/proc/self/fd/9/bin/busybox true\n");
    let outcome = harness::run(&plan.pivot().bytes(), &[(host.as_raw_fd(), 9)]);
    assert_eq!(outcome.code(), Some(127), "{outcome:?}");
}

#[test]
fn the_environment_is_the_plans() {
    let mut plan = Plan::new(&["sh", "-c", "echo $PATH $X"]);
    plan.setup[4] = StepBuf::Env { vars: list(&["PATH=/bin", "X=1"]), flags: 0 };
    assert_eq!(plan.pivot().run().stdout, "/bin 1\n");
}

#[test]
fn home_is_the_users_own() {
    let mut plan = Plan::new(&["sh", "-c", "echo $HOME $X"]);
    fs::write(plan.path("etc/passwd"), "root:x:0:0::/root:/bin/sh\nu:x:7:7::/home/u:/bin/sh\n").unwrap();
    plan.setup[4] = StepBuf::Env { vars: list(&["HOME=/old", "X=1"]), flags: 0 };
    assert_eq!(plan.pivot().with(StepBuf::Home { uid: 7 }).run().stdout, "/home/u 1\n");
}

#[test]
fn home_without_a_password_file_is_the_root() {
    let plan = Plan::new(&["sh", "-c", "echo $HOME"]).pivot().with(StepBuf::Home { uid: 7 });
    assert_eq!(plan.run().stdout, "/\n");
}

#[test]
fn a_fifo_as_password_file_does_not_block() {
    let plan = Plan::new(&["sh", "-c", "echo $HOME"]);
    nix::unistd::mkfifo(&plan.path("etc/passwd"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(plan.pivot().with(StepBuf::Home { uid: 7 }).run().stdout, "/\n");
}

#[test]
fn long_arguments_arrive() {
    let long = "x".repeat(100_000);
    let plan = Plan::new(&["sh", "-c", "echo ${#0}", &long]).pivot();
    assert_eq!(plan.run().stdout, "100000\n");
}

#[test]
fn the_null_device_of_the_host_is_replaced() {
    let null = StepBuf::Device { path: c("/dev/null"), mode: 0o020_666, major: 1, minor: 3, uid: 0, gid: 0 };
    let inode = "stat -L -c %d /proc/self/fd/0 /dev/null";
    let plan = Plan::new(&["sh", "-c", inode]).with(null).pivot().with(StepBuf::ReopenNull {});
    let outcome = plan.run();
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{outcome:?}");
    assert_eq!(lines[0], lines[1], "standard input is the container's /dev/null");
}
