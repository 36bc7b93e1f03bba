//! Where the cgroup is.

use crate::cgroup::layout::{Layout, OwnCgroup};
use crate::cgroup::paths::{Paths, locate};
use crate::cgroup::{Cgroup, Error};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn own() -> OwnCgroup {
    OwnCgroup::parse("5:cpu,cpuacct:/user\n4:memory:/a/b\n1:name=systemd:/s\n0::/system.slice/shell.scope\n")
}

fn v1() -> BTreeMap<String, PathBuf> {
    [("cpu", "cpu,cpuacct"), ("cpuacct", "cpu,cpuacct"), ("memory", "memory"), ("name=systemd", "systemd")]
        .map(|(name, dir)| (name.to_owned(), Path::new("/sys/fs/cgroup").join(dir)))
        .into()
}

fn dirs(layout: &Layout, path: Option<&str>) -> Vec<String> {
    let paths = locate(layout, path.map(Path::new), "web", &own()).expect("located");
    paths.dirs.into_iter().map(|(name, dir)| format!("{name} {}", dir.display())).collect()
}

#[test]
fn absolute_path_is_below_each_mount() {
    let expected = [
        "cpu /sys/fs/cgroup/cpu,cpuacct/x/y",
        "cpuacct /sys/fs/cgroup/cpu,cpuacct/x/y",
        "memory /sys/fs/cgroup/memory/x/y",
        "name=systemd /sys/fs/cgroup/systemd/x/y",
    ];
    assert_eq!(dirs(&Layout::V1(v1()), Some("/x/./y")), expected);
    assert_eq!(dirs(&Layout::V2, Some("/x//y/")), [" /sys/fs/cgroup/x/y"]);
}

#[test]
fn relative_and_missing_paths_are_below_the_callers_cgroup() {
    let expected = [
        "cpu /sys/fs/cgroup/cpu,cpuacct/user/web",
        "cpuacct /sys/fs/cgroup/cpu,cpuacct/user/web",
        "memory /sys/fs/cgroup/memory/a/b/web",
        "name=systemd /sys/fs/cgroup/systemd/s/web",
    ];
    assert_eq!(dirs(&Layout::V1(v1()), None), expected);
    assert_eq!(dirs(&Layout::V1(v1()), Some("")), expected);
    assert_eq!(dirs(&Layout::V1(v1()), Some("sub/x"))[2], "memory /sys/fs/cgroup/memory/a/b/sub/x");
}

#[test]
fn on_v2_a_relative_path_is_beside_the_callers_cgroup() {
    assert_eq!(dirs(&Layout::V2, None), [" /sys/fs/cgroup/system.slice/web"]);
    assert_eq!(dirs(&Layout::V2, Some("x")), [" /sys/fs/cgroup/system.slice/x"]);
}

#[test]
fn hybrid_has_the_unified_hierarchy_too() {
    let layout = Layout::Hybrid { v1: v1(), unified: "/sys/fs/cgroup/unified".into() };
    assert_eq!(dirs(&layout, Some("/x"))[0], " /sys/fs/cgroup/unified/x");
    assert_eq!(dirs(&layout, None)[0], " /sys/fs/cgroup/unified/system.slice/shell.scope/web");
}

#[test]
fn no_cgroup_file_system_gives_no_paths() {
    assert!(dirs(&Layout::None, Some("/x")).is_empty());
}

#[test]
fn dots_and_control_characters_are_refused() {
    for path in ["../x", "/../x", "/a/../../x", "a/..", "/a\nb", "/a\0b"] {
        let error = locate(&Layout::V2, Some(Path::new(path)), "web", &own()).expect_err(path);
        assert!(error.to_string().starts_with("linux.cgroupsPath: "), "{error}");
    }
}

#[test]
fn a_cgroup_outside_the_namespace_is_its_root() {
    let own = OwnCgroup::parse("0::/../../other\n");
    assert_eq!(own.path(""), Some(Path::new("/other")));
}

#[test]
fn rebase_cuts_off_what_the_mount_does_not_show() {
    let mut own = OwnCgroup::parse("3:memory:/docker/abc/inner\n0::/docker/abc\n");
    own.rebase(
        "34 33 0:30 /docker/abc /sys/fs/cgroup/memory ro,nosuid master:11 - cgroup cgroup rw,memory\n\
         35 33 0:31 /docker/abc /sys/fs/cgroup/unified ro - cgroup2 cgroup2 rw\n",
    );
    assert_eq!(own.path("memory"), Some(Path::new("/inner")));
    assert_eq!(own.path(""), Some(Path::new("/")));
}

#[test]
fn state_json_keeps_the_paths() {
    let paths = locate(&Layout::V1(v1()), Some(Path::new("/x")), "web", &own()).expect("located");
    let json = serde_json::to_string(&paths).expect("json");
    assert!(json.contains(r#""driver":"cgroupfs""#), "{json}");
    assert_eq!(serde_json::from_str::<Paths>(&json).expect("paths"), paths);
}

fn sub(args: &[&str]) -> Result<Vec<String>, Error> {
    let paths = locate(&Layout::V1(v1()), Some(Path::new("/a")), "web", &own()).expect("located");
    let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
    let sub = Cgroup::new(paths).sub(&args)?;
    Ok(sub.paths().dirs.values().map(|dir| dir.display().to_string()).collect())
}

#[test]
fn sub_cgroup_is_below_the_containers() {
    let all = sub(&["in/x"]).expect("below");
    assert!(all.iter().all(|dir| dir.ends_with("/a/in/x")), "{all:?}");
    let one = sub(&["memory:y"]).expect("below");
    assert_eq!(one[2], "/sys/fs/cgroup/memory/a/y");
    assert_eq!(one[3], "/sys/fs/cgroup/systemd/a");
    assert_eq!(sub(&["/"]).expect("itself")[2], "/sys/fs/cgroup/memory/a");
    assert_eq!(sub(&["x/../y"]).expect("below")[2], "/sys/fs/cgroup/memory/a/y");
}

/// Seen failing where `sub_dir` takes ".." as it is.
#[test]
fn sub_cgroup_that_leaves_the_containers_is_refused() {
    // Of these the prefix of the string is the container's cgroup: "/a" and "/ab".
    for path in ["..", "../ab", "../a", "x/../../ab", "/../b"] {
        let error = sub(&[path]).expect_err(path).to_string();
        assert_eq!(error, format!("bad sub cgroup path: {path}"));
    }
}

#[test]
fn sub_cgroup_arguments_are_checked() {
    let error = |args: &[&str]| sub(args).expect_err("refused").to_string();
    assert_eq!(error(&["a", "b"]), "invalid --cgroup argument: a (missing <controller>: prefix)");
    assert_eq!(error(&[":b"]), "invalid --cgroup argument: :b (empty <controller> prefix)");
    assert_eq!(
        error(&["cpu:a", "memory,cpu:b"]),
        "invalid --cgroup argument: controller cpu specified multiple times"
    );
    assert_eq!(error(&["nope:a"]), "invalid --cgroup argument: unknown controller nope");
}
