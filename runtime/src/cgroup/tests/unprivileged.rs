//! What a caller without privileges gets.

use super::host::{has_v1, located, on_v2};
use super::resources;
use crate::cgroup::Cgroup;
use std::path::Path;
use std::process::Command;

/// Runs one of the tests below again as nobody, from the calling thread's mount namespace.
fn as_nobody(test: &str) {
    use std::os::unix::process::CommandExt;
    // The binary's directory may be closed to nobody; the link leads to the file itself.
    let mut command = Command::new("/proc/self/exe");
    command.args(["--exact", &format!("cgroup::tests::unprivileged::{test}"), "--nocapture"]);
    let output = command.env("SKEG_TEST_AS_NOBODY", "1").uid(65534).gid(65534).output().expect("run again");
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

fn is_nobody() -> bool {
    std::env::var_os("SKEG_TEST_AS_NOBODY").is_some()
}

#[test]
fn unprivileged_on_v1_goes_without_until_a_limit_asks() {
    if !is_nobody() {
        if has_v1() {
            as_nobody("unprivileged_on_v1_goes_without_until_a_limit_asks");
        }
        return;
    }
    let mut cgroup = unprivileged(None);
    let spec = resources(r#"{"devices":[{"allow":false,"access":"rwm"}]}"#);
    cgroup.create(&spec).expect("goes without");
    assert!(cgroup.paths().is_empty());
    cgroup.apply(&spec).expect("device rules are not for the unprivileged");
    let error = cgroup.apply(&resources(r#"{"pids":{"limit":5}}"#)).expect_err("a limit").to_string();
    assert_eq!(
        error,
        "linux.resources.pids.limit: cannot set pids limit: container could not join or create cgroup"
    );
    refuses_the_path();
}

#[test]
fn unprivileged_on_v2_goes_without_unless_there_are_limits() {
    if !is_nobody() {
        on_v2(|| as_nobody("unprivileged_on_v2_goes_without_unless_there_are_limits"));
        return;
    }
    let mut cgroup = unprivileged(None);
    cgroup.create(&resources("{}")).expect("goes without");
    assert!(cgroup.paths().is_empty());
    let error =
        unprivileged(None).create(&resources(r#"{"pids":{"limit":5}}"#)).expect_err("a limit").to_string();
    assert!(error.starts_with("rootless needs no limits + no cgrouppath when no permission"), "{error}");
    assert!(error.contains("EACCES: permission denied"), "{error}");
    refuses_the_path();
}

fn unprivileged(path: Option<&Path>) -> Cgroup {
    Cgroup::new(located(path, "skeg-test-nobody"))
}

fn refuses_the_path() {
    let error =
        unprivileged(Some(Path::new("/skeg-test-nobody"))).create(&resources("{}")).expect_err("a path");
    assert!(error.is_permission(), "{error}");
}
