//! Users, capabilities, limits and seccomp.

use crate::plan::{NEWUSER, Plan, c};
use skeg_proto::step::StepBuf;
use skeg_proto::{Op, Stage};

const CHOWN: u64 = 1;
const KILL: u64 = 1 << 5;

/// `struct sock_filter`s.
fn bpf(program: &[(u16, u8, u8, u32)]) -> Vec<u8> {
    let instruction = |(code, jt, jf, k): &(u16, u8, u8, u32)| {
        let [a, b] = code.to_ne_bytes();
        let [c, d, e, f] = k.to_ne_bytes();
        [a, b, *jt, *jf, c, d, e, f]
    };
    program.iter().flat_map(instruction).collect()
}

/// Answers EPERM to uname(2) and allows everything else.
fn no_uname() -> Vec<u8> {
    const UNAME: u32 = if cfg!(target_arch = "x86_64") { 63 } else { 160 };
    bpf(&[(0x20, 0, 0, 0), (0x15, 0, 1, UNAME), (0x06, 0, 0, 0x0005_0001), (0x06, 0, 0, 0x7fff_0000)])
}

fn credentials(uid: u32, sets: [u64; 5]) -> StepBuf {
    let [bounding, permitted, effective, inheritable, ambient] = sets;
    StepBuf::Credentials {
        uid,
        gid: uid,
        setgroups: true,
        bounding,
        permitted,
        effective,
        inheritable,
        ambient,
    }
}

fn status(plan: Plan, field: &str) -> String {
    let outcome = plan.run();
    assert_eq!(outcome.failure(), None);
    let line = outcome.stdout.lines().find(|line| line.starts_with(field));
    line.expect("the field is there")[field.len()..].trim().to_string()
}

fn shows_status(step: StepBuf) -> Plan {
    let mut plan = Plan::new(&["cat", "/proc/self/status"]).pivot();
    plan.start[0] = step;
    plan
}

#[test]
fn user_group_and_groups_are_set() {
    let plan = shows_status(credentials(1000, [0; 5]));
    let plan = plan.with(StepBuf::Groups { gids: vec![7, 9], flags: 0 });
    let outcome = plan.run();
    assert!(outcome.stdout.contains("Uid:\t1000\t1000\t1000\t1000"), "{outcome:?}");
    assert!(outcome.stdout.contains("Gid:\t1000\t1000\t1000\t1000"), "{outcome:?}");
    assert!(outcome.stdout.contains("Groups:\t7 9"), "{outcome:?}");
}

#[test]
fn groups_of_the_caller_are_dropped() {
    assert_eq!(status(shows_status(credentials(1000, [0; 5])), "Groups:"), "");
}

/// Seen failing with `drop_bounding` taken out.
#[test]
fn capabilities_are_exactly_those_of_the_plan() {
    let sets = [CHOWN | KILL, CHOWN | KILL, CHOWN, 0, 0];
    let outcome = shows_status(credentials(0, sets)).run();
    for line in ["CapBnd:\t0000000000000021", "CapInh:\t0000000000000000", "CapAmb:\t0000000000000000"] {
        assert!(outcome.stdout.contains(line), "{line}: {outcome:?}");
    }
    // Root's exec gives it its bounding set.
    assert!(outcome.stdout.contains("CapEff:\t0000000000000021"), "{outcome:?}");
}

#[test]
fn ambient_capabilities_survive_the_exec_of_a_user() {
    let sets = [CHOWN | KILL, CHOWN | KILL, CHOWN | KILL, KILL, KILL];
    assert_eq!(status(shows_status(credentials(1000, sets)), "CapEff:"), "0000000000000020");
}

#[test]
fn an_ambient_capability_that_is_not_inheritable_is_left_out() {
    let sets = [CHOWN, CHOWN, CHOWN, 0, CHOWN];
    assert_eq!(status(shows_status(credentials(1000, sets)), "CapAmb:"), "0000000000000000");
}

#[test]
fn no_new_privs_is_set() {
    let plan = shows_status(credentials(0, [0; 5])).before_exec(StepBuf::NoNewPrivs {});
    assert_eq!(status(plan, "NoNewPrivs:"), "1");
}

#[test]
fn a_seccomp_filter_is_loaded() {
    let mut plan = Plan::new(&["sh", "-c", "uname; grep Seccomp: /proc/self/status"]).pivot();
    // Without no_new_privs it takes CAP_SYS_ADMIN, which the credentials take away.
    plan.start.insert(0, StepBuf::Seccomp { filter: no_uname(), flags: 0 });
    let outcome = plan.run();
    assert!(outcome.stdout.contains("Seccomp:\t2"), "{outcome:?}");
    assert!(!outcome.stdout.contains("Linux"), "{outcome:?}");
}

#[test]
fn a_seccomp_filter_is_loaded_by_a_user_with_no_new_privs() {
    let plan = shows_status(credentials(1000, [0; 5]))
        .before_exec(StepBuf::NoNewPrivs {})
        .before_exec(StepBuf::Seccomp { filter: no_uname(), flags: 0 });
    assert_eq!(status(plan, "Seccomp:"), "2");
}

#[test]
fn a_filter_that_the_kernel_refuses_fails_the_start() {
    let mut plan = Plan::new(&["true"]).pivot();
    plan.start.insert(0, StepBuf::Seccomp { filter: vec![0; 8], flags: 0 });
    let failure = plan.run().failure().unwrap();
    assert_eq!((failure.stage, failure.op, failure.errno), (Stage::Start, Op::Seccomp, 22));
}

#[test]
fn limits_are_set() {
    let limit = StepBuf::Limit { resource: 7, soft: 100, hard: 200 };
    let plan = Plan::new(&["sh", "-c", "ulimit -Sn; ulimit -Hn"]).pivot().before_exec(limit);
    assert_eq!(plan.run().stdout, "100\n200\n");
}

#[test]
fn the_umask_is_set() {
    let plan = Plan::new(&["sh", "-c", "umask"]).pivot().with(StepBuf::Umask { mask: 0o027 });
    assert_eq!(plan.run().stdout, "0027\n");
}

#[test]
fn the_affinity_is_set() {
    let plan = shows_status(credentials(0, [0; 5])).with(StepBuf::Affinity { mask: vec![1; 1], flags: 0 });
    assert_eq!(status(plan, "Cpus_allowed_list:"), "0");
}

#[test]
fn a_session_keyring_of_its_own_is_joined() {
    let keyring = StepBuf::Keyring { name: c("_ses.test"), permissions: 0x8_0000 };
    let outcome = Plan::new(&["cat", "/proc/keys"]).in_new(NEWUSER).with(keyring).pivot().run();
    assert_eq!(outcome.failure(), None);
    if std::path::Path::new("/proc/keys").exists() {
        assert!(outcome.stdout.contains("_ses.test"), "{outcome:?}");
    }
}

#[test]
fn standard_streams_belong_to_the_user() {
    let mut plan = Plan::new(&["stat", "-L", "-c", "%u", "/proc/self/fd/1", "/proc/self/fd/0"]).pivot();
    plan.start[0] = credentials(1000, [0; 5]);
    plan.start.insert(0, StepBuf::ChownStdio { uid: 1000 });
    assert_eq!(plan.run().stdout, "1000\n0\n", "the pipe is the user's, the null device is not");
}
