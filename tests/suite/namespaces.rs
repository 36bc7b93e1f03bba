//! New, shared and joined namespaces of all types.

use std::fs;

use skeg_tests::{Bundle, Value, json, need_root, not_runc};

fn of_host(name: &str) -> String {
    fs::read_link(format!("/proc/self/ns/{name}")).expect("a namespace").display().to_string()
}

fn of_init(container: &Bundle, name: &str) -> String {
    fs::read_link(format!("/proc/{}/ns/{name}", container.pid())).expect("a namespace").display().to_string()
}

/// Joins the namespace `kind` of a running container; what the second container sees as its `name` namespace.
#[track_caller]
fn joined(kind: &str, name: &str) -> (String, Value) {
    let first = Bundle::pausing().namespace(kind, None).running();
    let path = format!("/proc/{}/ns/{name}", first.pid());
    let second = Bundle::seeing(&["namespaces"]).namespace(kind, Some(&path));
    (of_init(&first, name), second.seen_one()[name].clone())
}

#[test]
fn listed_namespaces_are_new() {
    need_root!();
    let container = Bundle::seeing(&["namespaces"]).namespace("cgroup", None);
    let seen = container.seen_one();
    for name in ["pid", "net", "ipc", "uts", "mnt", "cgroup"] {
        assert_ne!(seen[name], of_host(name), "{name}");
    }
}

#[test]
fn namespaces_not_listed_are_the_hosts() {
    need_root!();
    let seen = Bundle::seeing(&["namespaces"]).seen_one();
    for name in ["user", "cgroup", "time"] {
        assert_eq!(seen[name], of_host(name), "{name}");
    }
}

#[test]
fn everything_but_the_mounts_can_be_shared() {
    need_root!();
    let container = Bundle::seeing(&["namespaces"]).remove("/hostname");
    let container =
        ["pid", "network", "ipc", "uts"].iter().fold(container, |it, kind| it.without_namespace(kind));
    let seen = container.seen_one();
    for name in ["pid", "net", "ipc", "uts"] {
        assert_eq!(seen[name], of_host(name), "{name}");
    }
}

#[test]
fn network_namespace_can_be_joined() {
    need_root!();
    let (theirs, seen) = joined("network", "net");
    assert_eq!(seen, theirs);
}

#[test]
fn ipc_namespace_can_be_joined() {
    need_root!();
    let (theirs, seen) = joined("ipc", "ipc");
    assert_eq!(seen, theirs);
}

#[test]
fn uts_namespace_can_be_joined() {
    need_root!();
    let (theirs, seen) = joined("uts", "uts");
    assert_eq!(seen, theirs);
}

#[test]
fn pid_namespace_can_be_joined() {
    need_root!();
    let (theirs, seen) = joined("pid", "pid");
    assert_eq!(seen, theirs);
}

#[test]
fn cgroup_namespace_can_be_joined() {
    need_root!();
    let (theirs, seen) = joined("cgroup", "cgroup");
    assert_eq!(seen, theirs);
}

#[test]
fn mount_namespace_can_be_joined() {
    need_root!();
    let words = ["-m", "--propagation", "private", "--", "/bin/busybox", "sh", "-c", "echo ready; cat"];
    let (reader, writer) = std::io::pipe().unwrap();
    let holder = skeg_tests::Invocation::new("unshare").args(words).give(reader.into(), 0).spawn();
    assert_eq!(holder.line(), "ready");
    let path = format!("/proc/{}/ns/mnt", holder.pid());
    let container = Bundle::seeing(&["namespaces", "list:/"]).namespace("mount", Some(&path));
    let theirs = fs::read_link(&path).unwrap().display().to_string();
    let output = container.run();
    drop(writer);
    holder.finish();
    let seen = output.ok().json();
    assert_eq!(seen["namespaces"]["mnt"], theirs);
    assert!(seen["list:/"].as_array().unwrap().contains(&json!("probe")));
}

#[test]
fn user_namespace_can_be_joined() {
    need_root!();
    let first = Bundle::pausing().user_namespace(100_000).running();
    let path = format!("/proc/{}/ns/user", first.pid());
    let second =
        Bundle::seeing(&["namespaces", "ids"]).user_namespace(100_000).namespace("user", Some(&path));
    let second = second.remove("/linux/uidMappings").remove("/linux/gidMappings");
    let output = second.run();
    not_runc!();
    let seen = output.ok().json();
    assert_eq!(seen["namespaces"]["user"], of_init(&first, "user"));
    assert_eq!(seen["ids"]["uid"], 0);
}

#[test]
fn time_namespace_has_its_offsets() {
    need_root!();
    not_runc!();
    let container = Bundle::seeing(&["namespaces", "read:/proc/self/timens_offsets"]).namespace("time", None);
    let offsets = json!({"monotonic": {"secs": 172_800, "nanosecs": 5}, "boottime": {"secs": 604_800}});
    let seen = container.set("/linux/timeOffsets", offsets).seen();
    assert_ne!(seen["namespaces"]["time"], of_host("time"));
    let words: Vec<&str> =
        seen["read:/proc/self/timens_offsets"].as_str().unwrap().split_whitespace().collect();
    assert_eq!(words, ["monotonic", "172800", "5", "boottime", "604800", "0"]);
}

#[test]
fn time_namespace_can_be_joined() {
    need_root!();
    not_runc!();
    let (theirs, seen) = joined("time", "time");
    assert_eq!(seen, theirs);
}

#[test]
fn new_network_has_a_loopback_that_is_up() {
    need_root!();
    let interfaces = Bundle::seeing(&["interfaces"]).seen_one();
    assert_eq!(interfaces["lo"], true, "{interfaces}");
}

#[test]
fn init_of_a_new_pid_namespace_is_1() {
    need_root!();
    let ids = Bundle::seeing(&["pid"]).seen_one();
    assert_eq!((&ids["pid"], &ids["ppid"]), (&json!(1), &json!(0)));
}

#[test]
fn init_leads_a_session() {
    need_root!();
    let ids = Bundle::seeing(&["pid"]).without_namespace("pid").seen_one();
    assert_eq!((&ids["sid"], &ids["pgrp"]), (&ids["pid"], &ids["pid"]));
}

#[test]
fn cgroup_namespace_is_rooted_at_the_containers_cgroup() {
    need_root!();
    let rows = Bundle::seeing(&["cgroup"]).namespace("cgroup", None).seen_one();
    let outside =
        rows.as_array().unwrap().iter().filter(|row| !row.as_str().unwrap().ends_with(":/")).count();
    assert_eq!(outside, 0, "{rows}");
}

#[test]
fn joined_namespace_of_a_gone_path_is_refused() {
    need_root!();
    let container = Bundle::new().namespace("network", Some("/run/netns/skegtest-missing"));
    container.run().fails_with("no such file or directory");
    container.nothing_left();
}

#[test]
fn path_that_is_no_namespace_is_refused() {
    need_root!();
    let container = Bundle::new().namespace("network", Some("/etc/passwd"));
    container.run().exits(1);
    container.nothing_left();
}

#[test]
fn path_that_is_no_namespace_is_named() {
    need_root!();
    not_runc!();
    Bundle::new().namespace("network", Some("/etc/passwd")).run().fails_with("/etc/passwd");
}

#[test]
fn namespace_of_another_type_is_refused() {
    need_root!();
    let container = Bundle::new().namespace("network", Some("/proc/self/ns/ipc"));
    container.run().exits(1);
    container.nothing_left();
}

#[test]
fn namespace_listed_twice_is_refused() {
    need_root!();
    let container = Bundle::new().push("/linux/namespaces", json!({"type": "pid"}));
    container.run().exits(1);
    container.nothing_left();
}

#[test]
fn unknown_namespace_type_is_refused() {
    need_root!();
    let container = Bundle::new().push("/linux/namespaces", json!({"type": "fish"}));
    container.run().fails_with("fish");
    container.nothing_left();
}

/// Seen failing where the stage waits for a writer.
#[test]
fn fifo_in_the_place_of_a_namespace_is_refused() {
    need_root!();
    not_runc!();
    let container = Bundle::new();
    let fifo = container.file("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
    container.namespace("network", fifo.to_str()).run().exits(1);
}

/// Seen failing with `join namespaces: open: ENOENT` and without the place.
#[test]
fn namespace_that_can_not_be_joined_is_named_by_its_place() {
    need_root!();
    not_runc!();
    let container = Bundle::new().namespace("network", Some("/missing/net"));
    container.run().fails_with("linux.namespaces[4].path: open the net namespace /missing/net: ENOENT");
    let container = container.namespace("network", Some("/etc/passwd"));
    container.run().fails_with("linux.namespaces[4].path: join the net namespace /etc/passwd: EINVAL");
}
