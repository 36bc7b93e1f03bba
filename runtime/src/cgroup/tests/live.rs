//! The effects, on this machine's cgroup file systems: as they are (v1 or hybrid), and with cgroup2 in their place
//! in a mount namespace that only the test's thread is in.

use super::host::{Scratch, Waiting, has_v1, located, on_v2, read, unique};
use super::resources;
use crate::cgroup::{Cgroup, Error, Layout, OwnCgroup, locate};
use nix::unistd::Pid;
use std::path::Path;

/// From create to remove, with one process; the same on all hosts.
fn lifecycle(scratch: &Scratch, limits: &str) {
    let mut cgroup = scratch.cgroup();
    cgroup.create(&resources(limits)).expect("created");
    assert_eq!(scratch.exists().len(), scratch.paths.dirs.len());
    assert!(cgroup.paths().found.is_empty());

    let mut child = Waiting::new("true");
    cgroup.join(child.pid()).expect("joined");
    cgroup.apply(&resources(limits)).expect("applied");
    // What later commands do knows only the paths.
    let later = Cgroup::new(cgroup.paths().clone());
    assert_eq!(later.pids().expect("pids"), [child.pid()]);
    assert!(!later.is_frozen().expect("state"));
    later.freeze().expect("frozen");
    assert!(later.is_frozen().expect("state"));
    later.thaw().expect("thawed");
    assert!(!later.is_frozen().expect("state"));
    later.freeze().expect("frozen again");
    later.kill_all().expect("killed, although frozen");
    assert_eq!(child.signal(), Some(libc::SIGKILL));
    assert_eq!(later.oom_kills(), 0);
    later.remove().expect("removed");
    assert!(scratch.exists().is_empty(), "{:?}", scratch.exists());
    later.remove().expect("removing nothing is fine");
    assert!(later.pids().expect("none").is_empty());
    assert!(!later.is_frozen().expect("gone is not frozen"));
}

#[test]
fn lifecycle_on_v1() {
    if has_v1() {
        lifecycle(
            &Scratch::new("life"),
            r#"{"memory":{"limit":67108864},"pids":{"limit":20},"cpu":{"shares":512,"quota":20000,"period":50000,
                "cpus":"0","mems":"0"},"devices":[{"allow":false,"access":"rwm"}]}"#,
        );
    }
}

#[test]
fn lifecycle_on_v2() {
    on_v2(|| {
        assert_eq!(Layout::detect(None).expect("own cgroup").0, Layout::V2);
        lifecycle(&Scratch::new("life2"), r#"{"devices":[{"allow":false,"access":"rwm"}]}"#);
    });
}

#[test]
fn v1_limits_are_what_was_asked_and_update_changes_them() {
    if !has_v1() {
        return;
    }
    let scratch = Scratch::new("limits");
    let mut cgroup = scratch.cgroup();
    let asked = resources(
        r#"{"memory":{"limit":67108864,"swap":134217728},"pids":{"limit":20},
            "cpu":{"quota":20000,"period":50000,"shares":512}}"#,
    );
    cgroup.create(&asked).expect("created");
    cgroup.apply(&asked).expect("applied");
    let dir = |name: &str| &scratch.paths.dirs[name];
    assert_eq!(read(dir("memory"), "memory.limit_in_bytes"), "67108864");
    assert_eq!(read(dir("memory"), "memory.memsw.limit_in_bytes"), "134217728");
    assert_eq!(read(dir("pids"), "pids.max"), "20");
    assert_eq!(read(dir("cpu"), "cpu.cfs_period_us"), "50000");
    assert!(!read(dir("cpuset"), "cpuset.cpus").is_empty(), "inherited");

    // Both above the old memsw, then both below the old limit: each order once.
    let raised = cgroup.update(&asked, &resources(r#"{"memory":{"limit":268435456,"swap":536870912}}"#));
    assert_eq!(read(dir("memory"), "memory.memsw.limit_in_bytes"), "536870912");
    let lowered = resources(r#"{"memory":{"limit":33554432,"swap":33554432},"pids":{"limit":-1}}"#);
    let lowered = cgroup.update(&raised.expect("raised"), &lowered).expect("lowered");
    assert_eq!(read(dir("memory"), "memory.limit_in_bytes"), "33554432");
    assert_eq!(read(dir("pids"), "pids.max"), "max");
    // A value that the kernel refuses takes the rest of the update back.
    let error = cgroup.update(&lowered, &resources(r#"{"cpu":{"cpus":"4000"},"memory":{"limit":-1}}"#));
    let error = error.expect_err("no such CPU").to_string();
    assert!(error.starts_with("linux.resources.cpu.cpus: write 4000 to /sys/fs/cgroup/cpuset/"), "{error}");
    assert_eq!(read(dir("memory"), "memory.limit_in_bytes"), "33554432");
    assert_eq!(read(dir("cpu"), "cpu.cfs_quota_us"), "20000");
}

#[test]
fn a_process_killed_for_lack_of_memory_is_counted() {
    if !has_v1() {
        return;
    }
    let scratch = Scratch::new("oom");
    let mut cgroup = scratch.cgroup();
    let limit = resources(r#"{"memory":{"limit":8388608,"swap":8388608}}"#);
    cgroup.create(&limit).expect("created");
    cgroup.apply(&limit).expect("applied");
    // tail keeps its last line, and there is only one.
    let child = Waiting::new("head -c 67108864 /dev/zero | tail -n 1 >/dev/null");
    cgroup.join(child.pid()).expect("joined");
    assert!(!child.succeeds());
    assert!(cgroup.oom_kills() > 0);
}

#[test]
fn devices_are_denied_on_v1() {
    if has_v1() {
        devices_are_denied(&Scratch::new("dev"));
    }
}

/// Seen failing without the rules of `cgroup::fs::devices`.
#[test]
fn devices_are_denied_on_v2() {
    on_v2(|| devices_are_denied(&Scratch::new("dev2")));
}

fn devices_are_denied(scratch: &Scratch) {
    let mut cgroup = scratch.cgroup();
    let opens = |cgroup: &Cgroup, script: &str| {
        let child = Waiting::new(script);
        cgroup.join(child.pid()).expect("joined");
        child.succeeds()
    };
    cgroup.create(&resources("{}")).expect("created");
    assert!(opens(&cgroup, "exec 3</dev/kmsg"), "allowed before there are rules");
    cgroup.apply(&resources(r#"{"devices":[{"allow":false,"access":"rwm"}]}"#)).expect("applied");
    assert!(!opens(&cgroup, "exec 3</dev/kmsg"));
    assert!(opens(&cgroup, "exec 3<>/dev/null"));
    // A process that knows only the path finds the old rules and replaces them.
    let again = scratch.cgroup();
    again.apply(&resources(r#"{"devices":[{"allow":true,"access":"rwm"}]}"#)).expect("applied again");
    assert!(opens(&cgroup, "exec 3</dev/kmsg"));
    let kmsg = r#"{"devices":[{"allow":false,"access":"rwm"},
        {"allow":true,"type":"c","major":1,"minor":11,"access":"r"}]}"#;
    again.apply(&resources(kmsg)).expect("applied again");
    assert!(opens(&cgroup, "exec 3</dev/kmsg"));
    assert!(!opens(&cgroup, "exec 3>/dev/kmsg"));
}

#[test]
fn a_cgroup_with_processes_is_refused() {
    if has_v1() {
        refuses_processes(&Scratch::new("full"));
    }
    on_v2(|| refuses_processes(&Scratch::new("full2")));
}

fn refuses_processes(scratch: &Scratch) {
    let mut first = scratch.cgroup();
    first.create(&resources("{}")).expect("created");
    let child = Waiting::new("true");
    first.join(child.pid()).expect("joined");
    let error = scratch.cgroup().create(&resources("{}")).expect_err("not empty").to_string();
    assert_eq!(error, "container's cgroup is not empty: 1 process(es) found");
    assert_eq!(scratch.exists().len(), scratch.paths.dirs.len(), "it is not ours to remove");
}

#[test]
fn a_frozen_cgroup_is_refused() {
    if has_v1() {
        refuses_frozen("cold");
    }
    on_v2(|| refuses_frozen("cold2"));
}

fn refuses_frozen(name: &str) {
    let scratch = Scratch::new(name);
    let mut parent = scratch.cgroup();
    parent.create(&resources("{}")).expect("created");
    parent.freeze().expect("frozen");
    let error = scratch.cgroup().create(&resources("{}")).expect_err("frozen").to_string();
    assert_eq!(error, "container's cgroup unexpectedly frozen");
    // A fresh one below it would stop its process just so.
    let below = located(Some(&unique(name).join("below")), "unused");
    let error = Cgroup::new(below.clone()).create(&resources("{}")).expect_err("frozen").to_string();
    assert_eq!(error, "container's cgroup unexpectedly frozen");
    assert!(below.dirs.values().all(|dir| !dir.exists()), "a failed create leaves nothing");
    parent.thaw().expect("thawed");
}

#[test]
fn a_failed_create_removes_the_parents_it_made() {
    if has_v1() {
        undoes("undo");
    }
    on_v2(|| undoes("undo2"));
}

fn undoes(name: &str) {
    let scratch = Scratch::new(name);
    let deep = located(Some(&unique(name).join("a/b")), "unused");
    let mut cgroup = Cgroup::new(deep.clone());
    cgroup.create(&resources("{}")).expect("created");
    assert!(deep.dirs.values().all(|dir| dir.exists()));
    cgroup.undo_create();
    assert!(scratch.exists().is_empty(), "{:?}", scratch.exists());
}

#[test]
fn what_was_there_before_stays() {
    if has_v1() {
        keeps_found(&Scratch::new("kept"));
    }
    on_v2(|| keeps_found(&Scratch::new("kept2")));
}

fn keeps_found(scratch: &Scratch) {
    scratch.cgroup().create(&resources("{}")).expect("somebody else's");
    let mut cgroup = scratch.cgroup();
    cgroup.create(&resources("{}")).expect("an empty one is taken");
    let json = serde_json::to_string(cgroup.paths()).expect("json");
    let later = Cgroup::new(serde_json::from_str(&json).expect("paths"));
    later.remove().expect("nothing to remove");
    assert_eq!(scratch.exists().len(), scratch.paths.dirs.len());
}

#[test]
fn sub_cgroups_are_listed_killed_and_removed() {
    if has_v1() {
        sub_cgroups(&Scratch::new("sub"));
    }
    on_v2(|| sub_cgroups(&Scratch::new("sub2")));
}

fn sub_cgroups(scratch: &Scratch) {
    let mut cgroup = scratch.cgroup();
    cgroup.create(&resources("{}")).expect("created");
    let sub = cgroup.sub(&["in/ner".to_owned()]).expect("below");
    for dir in sub.paths().dirs.values() {
        std::fs::create_dir(dir.parent().expect("parent")).expect("mkdir");
        std::fs::create_dir(dir).expect("mkdir");
    }
    // A v1 cpuset takes no process before it has been given something.
    for file in ["cpuset.cpus", "cpuset.mems"] {
        for dir in sub.paths().dirs.get("cpuset").iter().flat_map(|dir| [dir.parent().expect("parent"), dir])
        {
            std::fs::write(dir.join(file), "0").expect("cpuset");
        }
    }
    let (mut outer, mut inner) = (Waiting::new("true"), Waiting::new("true"));
    cgroup.join(outer.pid()).expect("joined");
    sub.join(inner.pid()).expect("joined");
    let mut both = [outer.pid(), inner.pid()];
    both.sort_unstable();
    assert_eq!(cgroup.pids().expect("pids"), both);
    assert_eq!(sub.pids().expect("pids"), [inner.pid()]);
    cgroup.kill_all().expect("killed");
    assert_eq!((outer.signal(), inner.signal()), (Some(libc::SIGKILL), Some(libc::SIGKILL)));
    cgroup.remove().expect("removed");
    assert!(scratch.exists().is_empty(), "{:?}", scratch.exists());
}

#[test]
fn remove_waits_for_the_dying() {
    if has_v1() {
        waits(&Scratch::new("dying"));
    }
    on_v2(|| waits(&Scratch::new("dying2")));
}

fn waits(scratch: &Scratch) {
    let mut cgroup = scratch.cgroup();
    cgroup.create(&resources("{}")).expect("created");
    let children: Vec<_> = (0..20).map(|_| Waiting::new("true")).collect();
    for child in &children {
        cgroup.join(child.pid()).expect("joined");
    }
    cgroup.kill_all().expect("killed");
    // Nobody has waited for them yet.
    cgroup.remove().expect("removed");
    assert!(scratch.exists().is_empty(), "{:?}", scratch.exists());
}

#[test]
fn a_controller_that_v2_does_not_have_is_an_error_only_for_its_limit() {
    on_v2(|| {
        let offered = read(Path::new("/sys/fs/cgroup"), "cgroup.controllers");
        if offered.split_whitespace().any(|name| name == "memory") {
            eprintln!("skipped: this machine's cgroup2 has the memory controller");
            return;
        }
        let scratch = Scratch::new("nomem");
        let mut cgroup = scratch.cgroup();
        let limit = resources(r#"{"memory":{"limit":67108864}}"#);
        cgroup.create(&limit).expect("created");
        let error = cgroup.apply(&limit).expect_err("no memory controller").to_string();
        let expected = "linux.resources.memory.limit: the memory cgroup controller is not available";
        assert_eq!(error, expected);
        let error =
            cgroup.apply(&resources(r#"{"unified":{"memory.high":"1"}}"#)).expect_err("none").to_string();
        assert!(error.contains("the memory cgroup controller is not available"), "{error}");
    });
}

#[test]
fn huge_pages_are_limited_where_the_controller_is() {
    let Ok(offered) = std::fs::read_to_string("/sys/fs/cgroup/unified/cgroup.controllers") else {
        eprintln!("skipped: no hybrid host");
        return;
    };
    if !has_v1() || !offered.contains("hugetlb") {
        eprintln!("skipped: hugetlb is not on cgroup2");
        return;
    }
    let control = "/sys/fs/cgroup/unified/cgroup.subtree_control";
    let was_on = std::fs::read_to_string(control).is_ok_and(|on| on.contains("hugetlb"));
    let scratch = Scratch::new("huge");
    let mut cgroup = scratch.cgroup();
    let limit = resources(r#"{"hugepageLimits":[{"pageSize":"2MB","limit":4194304}]}"#);
    cgroup.create(&limit).expect("created");
    cgroup.apply(&limit).expect("applied");
    assert_eq!(read(&scratch.paths.dirs[""], "hugetlb.2MB.max"), "4194304");
    drop(scratch);
    // The limit has switched it on for the whole host, which shall be as it was; others may use it by now.
    if !was_on && let Err(error) = std::fs::write(control, "-hugetlb") {
        eprintln!("{control}: {error}");
    }
}

#[test]
fn without_cgroups_a_container_without_limits_runs() {
    let paths = locate(&Layout::None, None, "web", &OwnCgroup::default()).expect("nowhere");
    let mut cgroup = Cgroup::new(paths);
    cgroup.create(&resources("{}")).expect("nothing to do");
    cgroup.join(Pid::this()).expect("nothing to do");
    cgroup.apply(&resources("{}")).expect("nothing to do");
    assert!(cgroup.pids().expect("none").is_empty());
    cgroup.kill_all().expect("nobody");
    cgroup.remove().expect("nothing to do");
    assert!(matches!(cgroup.freeze(), Err(Error::NoFreezer)));
    let error = cgroup.apply(&resources(r#"{"pids":{"limit":3}}"#)).expect_err("no pids").to_string();
    assert_eq!(error, "linux.resources.pids.limit: the pids cgroup controller is not available");
}
