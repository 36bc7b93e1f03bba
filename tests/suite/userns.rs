//! User namespaces made by root: mappings, and what a mapped root may do.

use std::fs;

use skeg_tests::{Bundle, Invocation, host, json, need_root, not_runc};

#[test]
fn mapped_root_is_0_inside() {
    need_root!();
    let seen = Bundle::seeing(&["ids", "read:/proc/self/uid_map", "read:/proc/self/gid_map"]);
    let seen = seen.user_namespace(100_000).seen();
    assert_eq!(seen["ids"]["uid"], 0);
    for map in ["read:/proc/self/uid_map", "read:/proc/self/gid_map"] {
        let words: Vec<&str> = seen[map].as_str().unwrap().split_whitespace().collect();
        assert_eq!(words, ["0", "100000", "65536"], "{map}");
    }
}

#[test]
fn several_mappings_are_written_together() {
    need_root!();
    let mappings = json!([
        {"containerID": 0, "hostID": 100_000, "size": 1000},
        {"containerID": 1000, "hostID": 200_000, "size": 1},
        {"containerID": 2000, "hostID": 300_000, "size": 10},
    ]);
    let container = Bundle::seeing(&["read:/proc/self/uid_map"]).user_namespace(100_000);
    let map = container.set("/linux/uidMappings", mappings).seen_one();
    let words: Vec<&str> = map.as_str().unwrap().split_whitespace().collect();
    assert_eq!(words, ["0", "100000", "1000", "1000", "200000", "1", "2000", "300000", "10"]);
}

#[test]
fn user_of_the_process_is_mapped() {
    need_root!();
    let container = Bundle::seeing(&["ids"]).user_namespace(100_000);
    let user = json!({"uid": 1000, "gid": 1001, "additionalGids": [5, 6]});
    let ids = container.set("/process/user", user).seen_one();
    assert_eq!(ids, json!({"uid": 1000, "euid": 1000, "gid": 1001, "egid": 1001, "groups": [5, 6]}));
}

#[test]
fn default_mounts_work_in_a_user_namespace() {
    need_root!();
    let container = Bundle::seeing(&["mounts"]).user_namespace(100_000).namespace("cgroup", None);
    let mounts = container.seen_one();
    for target in ["/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys"] {
        let found = mounts.as_array().unwrap().iter().any(|mount| mount["target"] == target);
        assert!(found, "{target} in {mounts}");
    }
}

#[test]
fn devices_work_in_a_user_namespace() {
    need_root!();
    let container = Bundle::seeing(&["stat:/dev/null", "open-rw:/dev/null", "open:/dev/zero"]);
    let seen = container.user_namespace(100_000).seen();
    assert_eq!(seen["stat:/dev/null"]["rdev"], "1:3");
    assert_eq!(seen["open-rw:/dev/null"], "ok");
    assert_eq!(seen["open:/dev/zero"], "ok");
}

#[test]
fn new_namespaces_belong_to_the_new_user_namespace() {
    need_root!();
    // Only an owner of the UTS namespace may change the name.
    let container = Bundle::seeing(&["sethostname:changed"]).user_namespace(100_000);
    let container = container.set("/process/capabilities", all_sets(&["CAP_SYS_ADMIN"]));
    assert_eq!(container.seen_one(), "ok");
}

#[test]
fn exec_joins_the_user_namespace() {
    need_root!();
    let container = Bundle::pausing().user_namespace(100_000).running();
    let seen = container.exec_seen(&[], &["ids", "read:/proc/self/uid_map"]);
    assert_eq!(seen["ids"]["uid"], 0);
    assert!(seen["read:/proc/self/uid_map"].as_str().unwrap().contains("100000"));
}

#[test]
fn exec_in_a_user_namespace_can_change_the_user() {
    need_root!();
    let container = Bundle::pausing().user_namespace(100_000).running();
    let ids = &container.exec_seen(&["-u", "1000:1000"], &["ids"])["ids"];
    assert_eq!((&ids["uid"], &ids["gid"]), (&json!(1000), &json!(1000)));
}

#[test]
fn stdio_belongs_to_the_mapped_user() {
    need_root!();
    let container = Bundle::seeing(&["open-rw:/proc/self/fd/2"]).user_namespace(100_000);
    let seen = container.set("/process/user", json!({"uid": 1000, "gid": 1000})).seen_one();
    assert_eq!(seen, "ok");
}

/// Seen failing where `exec` leaves the streams as they are: Permission denied.
#[test]
fn stdio_of_an_exec_belongs_to_the_mapped_user() {
    need_root!();
    let container = Bundle::pausing().user_namespace(100_000).running();
    let words = ["sh", "-c", "echo again >/dev/stdout; echo oh >/dev/stderr"];
    for user in ["0", "1000"] {
        let output = container.exec_with(&["-u", user], &words).finish().ok();
        assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("again\n", "oh\n"), "{user}");
    }
}

/// The map is that of the namespace, where the configuration has only its path. Seen failing where it is looked for in
/// the configuration.
#[test]
fn stdio_belongs_to_the_user_of_a_joined_namespace() {
    need_root!();
    not_runc!();
    let first = Bundle::pausing().user_namespace(100_000).running();
    let path = format!("/proc/{}/ns/user", first.pid());
    let second = Bundle::seeing(&["open-rw:/proc/self/fd/1"]).user_namespace(100_000);
    let second =
        second.namespace("user", Some(&path)).set("/process/user", json!({"uid": 1000, "gid": 1000}));
    let seen = second.remove("/linux/uidMappings").remove("/linux/gidMappings").seen_one();
    assert_eq!(seen, "ok");
}

#[test]
fn mappings_that_overlap_are_refused() {
    need_root!();
    let mappings = json!([
        {"containerID": 0, "hostID": 100_000, "size": 10},
        {"containerID": 5, "hostID": 200_000, "size": 10},
    ]);
    let container = Bundle::new().user_namespace(100_000).set("/linux/uidMappings", mappings);
    container.run().exits(1);
    container.nothing_left();
}

#[test]
fn empty_mapping_is_refused() {
    need_root!();
    let mapping = json!([{"containerID": 0, "hostID": 100_000, "size": 0}]);
    let container = Bundle::new().user_namespace(100_000).set("/linux/uidMappings", mapping);
    container.run().exits(1);
    container.nothing_left();
}

#[test]
fn user_namespace_without_mappings_is_refused() {
    need_root!();
    let container = Bundle::new().user_namespace(100_000);
    let container = container.remove("/linux/uidMappings").remove("/linux/gidMappings");
    container.run().exits(1);
    container.nothing_left();
}

#[test]
fn mappings_without_a_user_namespace_are_refused() {
    need_root!();
    not_runc!();
    let container = Bundle::new().user_namespace(100_000).without_namespace("user");
    container.run().exits(1);
    container.nothing_left();
}

#[test]
fn user_that_is_not_mapped_is_refused() {
    need_root!();
    let container = Bundle::new().user_namespace(100_000);
    container.set("/process/user", json!({"uid": 70_000, "gid": 0})).run().exits(1);
}

#[test]
fn overlap_is_named_by_its_place_in_the_configuration() {
    need_root!();
    not_runc!();
    let mappings = json!([
        {"containerID": 0, "hostID": 100_000, "size": 10},
        {"containerID": 5, "hostID": 200_000, "size": 10},
    ]);
    let container = Bundle::new().user_namespace(100_000).set("/linux/gidMappings", mappings);
    container.run().fails_with("linux.gidMappings");
}

fn all_sets(capabilities: &[&str]) -> skeg_tests::Value {
    json!({"bounding": capabilities, "effective": capabilities, "permitted": capabilities, "inheritable": []})
}

/// Whose id is not mapped can make no file. Seen failing with EOVERFLOW, where the process stays the user it was.
#[test]
fn user_namespace_without_a_root_works() {
    need_root!();
    not_runc!();
    let mapping = json!([{"containerID": 1000, "hostID": 101_000, "size": 10}]);
    let container = Bundle::seeing(&["ids", "create:/dev/shm/made", "open-rw:/dev/null"])
        .user_namespace(101_000)
        .set("/linux/uidMappings", mapping.clone())
        .set("/linux/gidMappings", mapping)
        .set("/process/user", json!({"uid": 1000, "gid": 1000}))
        .set("/mounts/2/options", json!(["newinstance", "ptmxmode=0666", "mode=0620"]));
    let seen = container.seen();
    assert_eq!((&seen["ids"]["uid"], &seen["ids"]["gid"]), (&json!(1000), &json!(1000)));
    assert_eq!((&seen["create:/dev/shm/made"], &seen["open-rw:/dev/null"]), (&json!("ok"), &json!("ok")));
    let container = container.args(&["/probe", "pause"]).running();
    assert_eq!(container.exec_seen(&[], &["ids"])["ids"]["uid"], 1000);
}

/// Seen failing with `map users: setgroups: EPERM`.
#[test]
fn user_namespace_in_one_that_denies_setgroups_works() {
    need_root!();
    let mapping = json!([{"containerID": 0, "hostID": 0, "size": 1}]);
    let container = Bundle::seeing(&["ids"])
        .namespace("user", None)
        .set("/linux/uidMappings", mapping.clone())
        .set("/linux/gidMappings", mapping)
        .set("/mounts/2/options", json!(["newinstance", "ptmxmode=0666", "mode=0620"]));
    let state = container.state_root();
    let run = Invocation::new("unshare").args(["-Urm"]).arg(host::runtime()).arg("--root").arg(state);
    let seen = run.args(["run", "--bundle"]).arg(container.path()).arg(&container.id).finish().ok().json();
    assert_eq!(seen["ids"]["uid"], 0);
}

/// A user namespace that maps every id to itself looks like the host's, and is not. Seen failing where the map is what
/// tells: the device rules were EPERM.
#[test]
fn root_of_a_namespace_that_maps_all_ids_is_not_the_hosts() {
    need_root!();
    not_runc!();
    let container = Bundle::probe(&["say", "here"]);
    let gate = container.file("gate");
    nix::unistd::mkfifo(&gate, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let script = format!(
        "echo ready; read go < {}; exec {} --root {} run {}",
        gate.display(),
        host::runtime().display(),
        container.state_root().display(),
        container.id
    );
    let run = Invocation::new("unshare").args(["--user", "--mount", "sh", "-c", &script]);
    let run = run.cwd(container.path()).spawn();
    assert_eq!(run.line(), "ready");
    for file in ["uid_map", "gid_map"] {
        fs::write(format!("/proc/{}/{file}", run.pid()), "0 0 4294967295").unwrap();
    }
    fs::write(gate, "go\n").unwrap();
    assert_eq!(run.finish().ok().stdout, "here\n");
}
