//! INIT against the messages that a real runc wrote, captured by `tests/golden/capture`.
//!
//! Both ways: the fields encode to runc's very bytes, and runc's bytes decode to the fields.

use skeg_proto::write::{InitBuf, write_init};
use skeg_proto::{Init, Message};
use std::ffi::CString;

const NEWNS: u32 = 0x0002_0000;
const NEWCGROUP: u32 = 0x0200_0000;
const NEWUTS: u32 = 0x0400_0000;
const NEWIPC: u32 = 0x0800_0000;
const NEWUSER: u32 = 0x1000_0000;
const NEWPID: u32 = 0x2000_0000;
const NEWNET: u32 = 0x4000_0000;
/// The new namespaces of `runc spec` on cgroup v1.
const DEFAULT: u32 = NEWNS | NEWUTS | NEWIPC | NEWPID | NEWNET;

/// The bytes of a fixture: hex digits, and comments after `#`.
fn fixture(text: &str) -> Vec<u8> {
    let digits: String = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(digits.len() % 2, 0, "a fixture with half a byte");
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

fn text(value: &str) -> Option<CString> {
    Some(CString::new(value).unwrap())
}

fn owned(init: &Init<'_>) -> InitBuf {
    let text = |value: Option<&core::ffi::CStr>| value.map(CString::from);
    InitBuf {
        clone_flags: init.clone_flags,
        ns_paths: text(init.ns_paths),
        uid_map: text(init.uid_map),
        gid_map: text(init.gid_map),
        // On the wire false and absent mean the same to runc's nsexec, which sees no attribute as false.
        setgroups: init.setgroups.then_some(true),
        oom_score_adj: text(init.oom_score_adj),
        rootless_euid: init.rootless_euid,
        uidmap_path: text(init.uidmap_path),
        gidmap_path: text(init.gidmap_path),
        time_offsets: text(init.time_offsets),
    }
}

#[track_caller]
fn assert_golden(hex: &str, fields: InitBuf) {
    let golden = fixture(hex);

    let mut written = Vec::new();
    write_init(&fields, &mut written).unwrap();
    assert_eq!(written, golden, "encoding differs from runc's");

    let (message, rest) = Message::split(&golden).unwrap();
    assert_eq!(rest, b"");
    assert_eq!(owned(&Init::read(&message).unwrap()), fields, "decoding differs");
}

#[test]
fn init_of_runc_spec_is_runcs() {
    assert_golden(
        include_str!("../golden/default.hex"),
        InitBuf { clone_flags: DEFAULT, ..InitBuf::default() },
    );
}

#[test]
fn init_with_cgroup_namespace_is_runcs() {
    assert_golden(
        include_str!("../golden/cgroup_namespace.hex"),
        InitBuf { clone_flags: DEFAULT | NEWCGROUP, ..InitBuf::default() },
    );
}

#[test]
fn init_with_oom_score_adj_is_runcs() {
    assert_golden(
        include_str!("../golden/oom_score_adj.hex"),
        InitBuf { clone_flags: DEFAULT, oom_score_adj: text("-17"), ..InitBuf::default() },
    );
}

#[test]
fn init_with_user_namespace_is_runcs() {
    assert_golden(
        include_str!("../golden/user_namespace.hex"),
        InitBuf {
            clone_flags: DEFAULT | NEWUSER,
            uid_map: text("0 100000 65536\n"),
            gid_map: text("0 100000 65536\n"),
            setgroups: Some(true),
            ..InitBuf::default()
        },
    );
}

#[test]
fn init_with_several_mappings_is_runcs() {
    assert_golden(
        include_str!("../golden/several_mappings.hex"),
        InitBuf {
            clone_flags: DEFAULT | NEWUSER,
            uid_map: text("0 100000 1000\n1000 7 1\n1001 200000 64535\n"),
            gid_map: text("0 300000 65536\n65536 4 2\n"),
            setgroups: Some(true),
            oom_score_adj: text("1000"),
            ..InitBuf::default()
        },
    );
}

#[test]
fn init_that_maps_only_the_caller_is_runcs() {
    assert_golden(
        include_str!("../golden/own_id_only.hex"),
        InitBuf {
            clone_flags: DEFAULT | NEWUSER,
            uid_map: text("0 0 1\n"),
            gid_map: text("0 0 1\n"),
            ..InitBuf::default()
        },
    );
}

#[test]
fn init_with_joined_namespaces_is_runcs() {
    assert_golden(
        include_str!("../golden/joined_net_and_pid.hex"),
        InitBuf {
            clone_flags: NEWNS | NEWUTS | NEWIPC,
            ns_paths: text("net:/tmp/skeg-ns/net,pid:/tmp/skeg-ns/pid"),
            ..InitBuf::default()
        },
    );
}

#[test]
fn init_with_unordered_namespaces_is_runcs_in_join_order() {
    assert_golden(
        include_str!("../golden/join_order.hex"),
        InitBuf {
            clone_flags: NEWNS,
            ns_paths: text(
                "ipc:/tmp/skeg-ns/ipc,uts:/tmp/skeg-ns/uts,net:/tmp/skeg-ns/net,pid:/tmp/skeg-ns/pid,\
                 cgroup:/tmp/skeg-ns/cgroup",
            ),
            ..InitBuf::default()
        },
    );
}

#[test]
fn init_of_exec_is_runcs() {
    assert_golden(
        include_str!("../golden/exec.hex"),
        InitBuf {
            ns_paths: text(
                "ipc:/proc/14009/ns/ipc,uts:/proc/14009/ns/uts,net:/proc/14009/ns/net,\
                 pid:/proc/14009/ns/pid,mnt:/proc/14009/ns/mnt",
            ),
            oom_score_adj: text("5"),
            ..InitBuf::default()
        },
    );
}

#[test]
fn init_of_rootless_is_runcs() {
    assert_golden(
        include_str!("../golden/rootless.hex"),
        InitBuf {
            clone_flags: NEWNS | NEWUTS | NEWIPC | NEWPID | NEWUSER,
            uid_map: text("0 1000 1\n"),
            gid_map: text("0 1000 1\n"),
            rootless_euid: true,
            uidmap_path: text("/usr/bin/newuidmap"),
            gidmap_path: text("/usr/bin/newgidmap"),
            ..InitBuf::default()
        },
    );
}

#[test]
fn init_of_rootless_with_subordinate_ids_is_runcs() {
    assert_golden(
        include_str!("../golden/rootless_mapping_tools.hex"),
        InitBuf {
            clone_flags: NEWNS | NEWUTS | NEWIPC | NEWPID | NEWUSER,
            uid_map: text("0 1000 1\n1 100000 65535\n"),
            gid_map: text("0 1000 1\n1 100000 65535\n"),
            setgroups: Some(true),
            rootless_euid: true,
            uidmap_path: text("/usr/bin/newuidmap"),
            gidmap_path: text("/usr/bin/newgidmap"),
            ..InitBuf::default()
        },
    );
}

/// runc 1.1.5 writes no time offsets; runc 1.2 and later write them after ROOTLESS_EUID.
#[test]
fn time_offsets_stand_last() {
    let mut written = Vec::new();
    let fields = InitBuf { time_offsets: text("monotonic 7 0\n"), ..InitBuf::default() };
    write_init(&fields, &mut written).unwrap();

    let (message, _) = Message::split(&written).unwrap();
    let numbers: Vec<u16> = message.attributes().map(|attribute| attribute.unwrap().0).collect();

    assert_eq!(numbers, [27281, 27287, 27290]);
    assert_eq!(owned(&Init::read(&message).unwrap()), fields);
}
