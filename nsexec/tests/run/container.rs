//! Whole containers: namespaces, READY, what is left open.

use crate::files::in_own_mounts;
use crate::harness;
use crate::plan::{NEWTIME, NEWUSER, Plan, c, filesystem, program};
use nix::mount::{MsFlags, mount};
use nix::sys::wait::WaitStatus;
use skeg_proto::step::StepBuf;
use skeg_proto::sync::{ToNsexec, ToRuntime};
use skeg_proto::{Op, Stage};
use std::fs::{self, File};
use std::io::Write;
use std::os::fd::AsRawFd;

#[test]
fn a_container_in_new_namespaces_runs_its_program() {
    let outcome = Plan::new(&["true"]).pivot().run();
    assert_eq!(outcome.failure(), None);
    assert_eq!(outcome.code(), Some(0), "{outcome:?}");
    assert!(matches!(outcome.frames[..], [ToRuntime::Created { .. }, ToRuntime::Ready]), "{outcome:?}");
}

#[test]
fn a_process_that_the_runtime_has_made_becomes_the_program() {
    let plan = Plan::new(&["true"]).born().pivot();
    let mut running = harness::start(&[], &plan.bytes(), &[]);
    running.converse();
    let pid = running.pid;
    let outcome = running.finish();
    assert_eq!(outcome.failure(), None);
    assert_eq!(outcome.status, WaitStatus::Exited(pid, 0));
    assert_eq!(outcome.frames, [ToRuntime::Ready]);
}

#[test]
fn a_container_in_a_new_user_namespace_runs_its_program() {
    let outcome = Plan::new(&["id", "-u"]).in_new(NEWUSER).pivot().run();
    assert_eq!(outcome.failure(), None);
    assert_eq!(outcome.stdout, "0\n", "{outcome:?}");
}

/// Root without a capability, in whatever container that sees the process, owns every user namespace that root makes: it
/// was let into the host's root. Seen failing without `set_dumpable(false)` in nsexec's `first`, and with `true` in
/// `map_users`.
#[test]
fn a_process_that_waits_for_its_mapping_can_not_be_looked_into() {
    let waiting = Plan::new(&["true"]).in_new(NEWUSER).pivot();
    assert_eq!(neighbour_sees_the_root_of_what_waits_to_be_mapped(&waiting), Some(false));
    let mut before_the_clone = Plan::new(&["true"]).in_new(NEWUSER | NEWTIME).pivot();
    before_the_clone.init.time_offsets = Some(c("boottime 86400 5\n"));
    assert_eq!(neighbour_sees_the_root_of_what_waits_to_be_mapped(&before_the_clone), Some(false));
}

fn neighbour_sees_the_root_of_what_waits_to_be_mapped(plan: &Plan) -> Option<bool> {
    let mut running = harness::start(&[], &plan.bytes(), &[]);
    while running.next()? != ToRuntime::MapWanted {}
    let root = format!("/proc/{}/root/", running.created().unwrap_or(running.pid));
    let powerless = ["--bounding-set=-all", "--inh-caps=-all", "ls", &root];
    let neighbour = std::process::Command::new("setpriv").args(powerless).output().unwrap();
    running.map_users();
    running.say(ToNsexec::MapWritten);
    assert_eq!(running.finish().failure(), None);
    Some(neighbour.status.success())
}

#[test]
fn the_programs_exit_code_is_its_own() {
    assert_eq!(Plan::new(&["false"]).pivot().run().code(), Some(1));
}

#[test]
fn no_descriptor_of_nsexec_survives() {
    // The shell is process 1; what `ls` opens for itself is not its.
    let outcome = Plan::new(&["sh", "-c", "ls /proc/1/fd; true"]).pivot().run();
    assert_eq!(outcome.stdout, "0\n1\n2\n", "{outcome:?}");
}

#[test]
fn preserved_descriptors_survive() {
    let kept = File::open("/dev/null").unwrap();
    let mut plan = Plan::new(&["sh", "-c", "ls /proc/1/fd; true"]).pivot();
    let last = plan.start.len() - 1;
    plan.start[last] = StepBuf::Exec { keep_fds: 6 };
    let mut running = harness::start(&[], &plan.bytes(), &[(kept.as_raw_fd(), 5)]);
    running.converse();
    // 3 and 4 are nsexec's own in this harness: the pipe is closed, the socket ends with the program.
    let outcome = running.finish();
    assert_eq!(outcome.stdout, "0\n1\n2\n4\n5\n", "{outcome:?}");
}

#[test]
fn the_hosts_root_is_gone_after_the_pivot() {
    let outcome = Plan::new(&["cat", "/proc/self/mountinfo"]).pivot().run();
    assert_eq!(outcome.stdout.lines().count(), 2, "{outcome:?}");
}

/// Of a host whose mounts are shared. Not moved to "/", which would be refused below a shared mount. Seen failing without
/// MS_SLAVE and MS_PRIVATE in `propagation` and `private_parent`.
#[test]
fn no_mount_reaches_the_host() {
    let plan = Plan::new(&["true"]).with(filesystem("/tmp", "tmpfs", &[]));
    let plan = plan.with(program(0));
    let (outcome, mounts) = in_own_mounts(|| {
        let shared = MsFlags::MS_REC | MsFlags::MS_SHARED;
        mount(None::<&str>, "/", None::<&str>, shared, None::<&str>).unwrap();
        (plan.run(), fs::read_to_string("/proc/thread-self/mountinfo").unwrap())
    });
    assert_eq!(outcome.failure(), None);
    assert!(!mounts.contains(plan.root.path().to_str().unwrap()), "{mounts}");
}

#[test]
fn the_root_can_be_moved_instead() {
    let plan = Plan::new(&["sh", "-c", "pwd; ls /"]);
    let outcome = plan.with(StepBuf::MoveRoot {}).with(program(0)).run();
    assert_eq!(outcome.failure(), None);
    assert_eq!(outcome.stdout, "/\nbin\ndev\netc\nproc\ntmp\n", "{outcome:?}");
}

#[test]
fn names_are_set() {
    let outcome = Plan::new(&["sh", "-c", "hostname; cat /proc/sys/kernel/domainname"])
        .pivot()
        .with(StepBuf::Hostname { name: c("skeg") })
        .with(StepBuf::Domainname { name: c("example.org") })
        .run();
    assert_eq!(outcome.stdout, "skeg\nexample.org\n", "{outcome:?}");
}

#[test]
fn a_clock_of_a_new_time_namespace_is_set() {
    let mut plan = Plan::new(&["cat", "/proc/self/timens_offsets"]).in_new(NEWTIME).pivot();
    plan.init.time_offsets = Some(c("boottime 86400 5\n"));
    let outcome = plan.run();
    assert!(outcome.stdout.contains("boottime        86400         5"), "{outcome:?}");
}

#[test]
fn a_clock_is_set_in_a_new_user_namespace() {
    let mut plan = Plan::new(&["sh", "-c", "id -u; cat /proc/self/timens_offsets"]);
    plan = plan.in_new(NEWTIME | NEWUSER).pivot();
    plan.init.time_offsets = Some(c("boottime 86400 5\n"));
    let outcome = plan.run();
    assert!(outcome.stdout.starts_with("0\n"), "{outcome:?}");
    assert!(outcome.stdout.contains("boottime        86400         5"), "{outcome:?}");
}

#[test]
fn a_time_namespace_without_offsets_is_made_by_the_clone() {
    let outcome = Plan::new(&["ls", "-l", "/proc/self/ns/time"]).in_new(NEWTIME).pivot().run();
    let host = fs::read_link("/proc/self/ns/time").unwrap();
    assert_eq!(outcome.code(), Some(0), "{outcome:?}");
    assert!(!outcome.stdout.contains(host.to_str().unwrap()), "{outcome:?}");
}

#[test]
fn the_oom_score_is_set() {
    let mut plan = Plan::new(&["cat", "/proc/self/oom_score_adj"]).pivot();
    plan.init.oom_score_adj = Some(c("321"));
    assert_eq!(plan.run().stdout, "321\n");
}

#[test]
fn the_loopback_interface_comes_up() {
    let outcome = Plan::new(&["sh", "-c", "ip link show lo"]).pivot().with(StepBuf::Loopback {}).run();
    assert!(outcome.stdout.contains("LOOPBACK,UP"), "{outcome:?}");
}

#[test]
fn the_process_is_made_in_its_cgroup() {
    let path = format!("/sys/fs/cgroup/unified/nsexec-test-{}", std::process::id());
    if !std::path::Path::new("/sys/fs/cgroup/unified").exists() {
        eprintln!("skipped: no cgroup v2 at /sys/fs/cgroup/unified");
        return;
    }
    fs::create_dir(&path).unwrap();
    let cgroup = File::open(&path).unwrap();
    let mut plan = Plan::new(&["cat", "/proc/self/cgroup"]).pivot();
    plan.host.push(StepBuf::Cgroup { fd: 9 });

    let outcome = harness::run(&plan.bytes(), &[(cgroup.as_raw_fd(), 9)]);

    fs::remove_dir(&path).unwrap();
    assert!(outcome.stdout.contains("0::/nsexec-test-"), "{outcome:?}");
}

#[test]
fn the_process_waits_for_a_byte_in_the_fifo() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("exec.fifo");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::from_bits_truncate(0o622)).unwrap();
    let mut fifo = fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let mut plan = Plan::new(&["echo", "started"]).pivot();
    plan.fifo = 9;

    let mut running = harness::start(&[], &plan.bytes(), &[(fifo.as_raw_fd(), 9)]);
    // The conversation ends while the process still waits.
    running.converse();
    fifo.write_all(&[0]).unwrap();
    let outcome = running.finish();

    assert_eq!((outcome.stdout.as_str(), outcome.code()), ("started\n", Some(0)));
}

#[test]
fn a_failure_after_the_fifo_is_said_on_stderr() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("exec.fifo");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::from_bits_truncate(0o622)).unwrap();
    let mut fifo = fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    fifo.write_all(&[0]).unwrap();
    let mut plan = Plan::new(&["true"]).pivot();
    plan.start.insert(0, StepBuf::Seccomp { filter: vec![0; 8], flags: 0 });
    plan.fifo = 9;

    let outcome = harness::run(&plan.bytes(), &[(fifo.as_raw_fd(), 9)]);

    assert_eq!(outcome.failure(), None);
    assert_eq!(outcome.stderr, "skeg: load seccomp filter: invalid argument\n");
    assert_eq!(outcome.code(), Some(126));
}

#[test]
fn the_runtimes_death_ends_the_process() {
    let plan = Plan::new(&["true"]).pivot();
    let mut running = harness::start(&[], &plan.bytes(), &[]);
    running.until_ready();
    running.hang_up();
    assert_eq!(running.finish().code(), Some(1));
}

#[test]
fn a_wrong_answer_is_a_failure() {
    let plan = Plan::new(&["true"]).pivot();
    let mut running = harness::start(&[], &plan.bytes(), &[]);
    running.until_ready();
    running.say(ToNsexec::HooksDone);
    let outcome = running.finish();
    let failure = outcome.failure().unwrap();
    assert_eq!((failure.stage, failure.op), (Stage::Setup, Op::Peer));
}

#[test]
fn a_failing_step_is_named_by_its_number() {
    let missing = crate::plan::filesystem("/tmp", "nonexistent", &[]);
    let outcome = Plan::new(&["true"]).with(StepBuf::Umask { mask: 0 }).with(missing).pivot().run();
    let failure = outcome.failure().unwrap();
    // Clone, seven steps of every plan, umask.
    assert_eq!((failure.stage, failure.step, failure.op, failure.errno), (Stage::Setup, 10, Op::Fsopen, 19));
    assert_eq!(outcome.code(), Some(1));
}
