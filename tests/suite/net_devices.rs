//! Network devices of the host that a container gets.

use std::process::Command;

use nix::net::if_::if_nametoindex;
use nix::sched::{CloneFlags, unshare};
use skeg_tests::{Bundle, json, need_root, not_runc, only_skeg, skip};

/// A network namespace for the test, with two ends of a wire in it: v0 with addresses, and v1. None where the kernel
/// has no such devices.
fn wire() -> Option<()> {
    unshare(CloneFlags::CLONE_NEWNET).expect("unshare");
    let ip = |words: &str| {
        let status = Command::new("ip").args(words.split(' ')).stderr(std::process::Stdio::null()).status();
        status.is_ok_and(|status| status.success()).then_some(())
    };
    ip("link add v0 type veth peer name v1")?;
    ip("addr add 192.0.2.5/24 dev v0")?;
    // Without waiting for a duplicate.
    ip("addr add 2001:db8::5/64 dev v0 nodad")
}

macro_rules! need_wire {
    () => {
        need_root!();
        if wire().is_none() {
            skip!("no veth devices here");
        }
    };
}

#[test]
fn device_is_moved_renamed_and_up_with_its_addresses() {
    need_wire!();
    not_runc!();
    let container = Bundle::seeing(&["interfaces", "addresses"]);
    let seen = container.set("/linux/netDevices", json!({"v0": {"name": "eth7"}})).seen();
    assert_eq!(seen["interfaces"], json!({"lo": true, "eth7": true}));
    let addresses = seen["addresses"]["eth7"].to_string();
    assert!(addresses.contains("192.0.2.5") && addresses.contains("2001:db8::5"), "{seen}");
}

#[test]
fn device_keeps_its_name_unless_told_otherwise() {
    need_wire!();
    not_runc!();
    let container = Bundle::seeing(&["interfaces"]).set("/linux/netDevices", json!({"v0": {}, "v1": {}}));
    assert_eq!(container.seen_one(), json!({"lo": true, "v0": true, "v1": true}));
}

#[test]
fn hooks_find_the_device_in_the_container() {
    need_wire!();
    not_runc!();
    let container = Bundle::seeing(&["interfaces"]).set("/linux/netDevices", json!({"v0": {}}));
    let moved = container.file("moved");
    let script = format!("test ! -e /sys/class/net/v0 && echo yes > {}", moved.display());
    let container = container.hook("createRuntime", &script);
    container.seen();
    // The hook's /sys is that of another network namespace: what it can tell is that it ran after the move.
    assert!(moved.exists() && if_nametoindex("v0").is_err());
}

#[test]
fn devices_are_given_back_when_one_is_missing() {
    only_skeg!();
    need_wire!();
    not_runc!();
    let container = Bundle::seeing(&["interfaces"]);
    let container = container.set("/linux/netDevices", json!({"v0": {"name": "eth7"}, "zz": {}}));
    container.create().fails_with(r#"linux.netDevices[\"zz\"]: find the device: ENODEV: no such device"#);
    container.nothing_left();
    assert!(if_nametoindex("v0").is_ok(), "v0 is back");
}

#[test]
fn device_that_would_have_the_name_of_another_is_given_back() {
    only_skeg!();
    need_wire!();
    not_runc!();
    let container = Bundle::seeing(&["interfaces"]).set("/linux/netDevices", json!({"v0": {"name": "lo"}}));
    container
        .create()
        .fails_with(r#"linux.netDevices[\"v0\"]: move it into the container's network namespace: EEXIST"#);
    assert!(if_nametoindex("v0").is_ok(), "v0 is still there");
}
