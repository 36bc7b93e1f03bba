//! What an update changes.

use super::resources;
use crate::cgroup::merge;
use oci_spec::runtime::LinuxResources;

/// The merged resources and the changes, from JSON and as JSON.
fn merged(stored: &str, new: &str) -> (LinuxResources, LinuxResources) {
    let mut stored = resources(stored);
    let changes = merge(&mut stored, &resources(new));
    (stored, changes)
}

#[test]
fn quota_and_period_keep_the_other() {
    let (stored, changes) =
        merged(r#"{"cpu":{"quota":20000,"period":50000}}"#, r#"{"cpu":{"period":100000}}"#);
    assert_eq!(stored, resources(r#"{"cpu":{"quota":20000,"period":100000}}"#));
    assert_eq!(changes, stored);
}

#[test]
fn only_what_is_given_is_written() {
    let (stored, changes) = merged(
        r#"{"cpu":{"shares":512,"quota":20000,"cpus":"0"},"pids":{"limit":5}}"#,
        r#"{"cpu":{"cpus":"1","mems":""}}"#,
    );
    assert_eq!(stored, resources(r#"{"cpu":{"shares":512,"quota":20000,"cpus":"1"},"pids":{"limit":5}}"#));
    assert_eq!(changes.cpu().as_ref().and_then(|cpu| cpu.shares()), None);
    assert_eq!(changes.cpu().as_ref().and_then(|cpu| cpu.quota()), None);
    assert!(changes.pids().is_none());
}

#[test]
fn lifting_the_memory_limit_lifts_the_swap_limit() {
    let (stored, changes) = merged(r#"{"memory":{"limit":1000,"swap":2000}}"#, r#"{"memory":{"limit":-1}}"#);
    assert_eq!(stored, resources(r#"{"memory":{"limit":-1,"swap":0}}"#));
    assert_eq!(changes, stored);
}

#[test]
fn memory_and_swap_go_together() {
    let (_, changes) = merged(r#"{"memory":{"limit":1000,"swap":2000}}"#, r#"{"memory":{"swap":3000}}"#);
    assert_eq!(changes, resources(r#"{"memory":{"limit":1000,"swap":3000}}"#));
    let (_, changes) = merged(r#"{"memory":{"limit":1000,"swap":2000}}"#, r#"{"memory":{"reservation":30}}"#);
    assert_eq!(changes, resources(r#"{"memory":{"reservation":30}}"#));
}

#[test]
fn idle_drops_the_stored_shares() {
    let (stored, changes) = merged(r#"{"cpu":{"shares":512}}"#, r#"{"cpu":{"idle":1}}"#);
    assert_eq!(stored, resources(r#"{"cpu":{"idle":1}}"#));
    assert_eq!(changes, stored);
}

#[test]
fn a_device_replaces_the_same_device() {
    let device = |minor: u8, rate: u16| format!(r#"{{"major":8,"minor":{minor},"rate":{rate}}}"#);
    let list =
        |devices: &[String]| format!(r#"{{"blockIO":{{"throttleReadBpsDevice":[{}]}}}}"#, devices.join(","));
    let (stored, changes) =
        merged(&list(&[device(0, 1), device(1, 2)]), &list(&[device(1, 9), device(2, 3)]));
    assert_eq!(stored, resources(&list(&[device(0, 1), device(1, 9), device(2, 3)])));
    assert_eq!(changes, resources(&list(&[device(1, 9), device(2, 3)])));
}

#[test]
fn devices_are_never_updated() {
    let (stored, changes) = merged(
        r#"{"devices":[{"allow":false,"access":"rwm"}]}"#,
        r#"{"devices":[{"allow":true,"access":"rwm"}],"pids":{"limit":3}}"#,
    );
    assert_eq!(stored, resources(r#"{"devices":[{"allow":false,"access":"rwm"}],"pids":{"limit":3}}"#));
    assert!(changes.devices().is_none());
}
