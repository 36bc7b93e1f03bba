//! Resources become writes.

use super::resources;
use crate::cgroup::settings::{Otherwise, Settings, Version, settings};

const V1: fn(&'static str) -> Option<Version> = |name| (!name.is_empty()).then_some(Version::V1);
const V2: fn(&'static str) -> Option<Version> = |_| Some(Version::V2);

/// Each write as a line: `file=value`, and what a refusal means.
fn lines(settings: &Settings) -> Vec<String> {
    let line = |write: &crate::cgroup::settings::Write| match &write.otherwise {
        Otherwise::Fail => format!("{}={}", write.file, write.value),
        Otherwise::Skip => format!("{}={} or skip", write.file, write.value),
        Otherwise::Later => format!("{}={} or later", write.file, write.value),
        Otherwise::Use(file, value) => format!("{}={} or {file}={value}", write.file, write.value),
    };
    settings.writes.iter().map(line).collect()
}

fn v1(json: &str) -> Vec<String> {
    lines(&settings(&resources(json), &V1).expect("settings"))
}

fn v2(json: &str) -> Vec<String> {
    lines(&settings(&resources(json), &V2).expect("settings"))
}

fn refusal(json: &str, version: fn(&'static str) -> Option<Version>) -> String {
    settings(&resources(json), &version).expect_err("refused").to_string()
}

#[test]
fn nothing_asked_writes_nothing_and_asks_for_no_controller() {
    let none = |_: &'static str| -> Option<Version> { panic!("no controller is needed") };
    let empty =
        r#"{"devices":[{"allow":false,"access":"rwm"}],"memory":{},"cpu":{},"blockIO":{},"network":{}}"#;
    assert_eq!(settings(&resources(empty), &none).expect("settings"), Settings::default());
}

#[test]
fn memory_on_v1_writes_the_limit_again_after_memsw() {
    assert_eq!(
        v1(
            r#"{"memory":{"limit":1000,"swap":3000,"reservation":500,"swappiness":7,"disableOOMKiller":true}}"#
        ),
        [
            "memory.limit_in_bytes=1000 or later",
            "memory.memsw.limit_in_bytes=3000",
            "memory.soft_limit_in_bytes=500",
            "memory.oom_control=1",
            "memory.swappiness=7",
        ]
    );
    assert_eq!(
        v1(r#"{"memory":{"limit":-1}}"#),
        ["memory.limit_in_bytes=-1 or later", "memory.memsw.limit_in_bytes=-1 or skip"]
    );
}

#[test]
fn memory_on_v2_subtracts_the_limit_from_swap() {
    assert_eq!(
        v2(r#"{"memory":{"limit":1000,"swap":3000,"reservation":500}}"#),
        ["memory.swap.max=2000", "memory.max=1000", "memory.low=500"]
    );
    assert_eq!(
        v2(r#"{"memory":{"limit":1000,"swap":1000}}"#),
        ["memory.swap.max=0 or skip", "memory.max=1000"]
    );
    assert_eq!(
        v2(r#"{"memory":{"limit":1000,"swap":-1}}"#),
        ["memory.swap.max=max or skip", "memory.max=1000"]
    );
    assert_eq!(v2(r#"{"memory":{"limit":-1}}"#), ["memory.swap.max=max or skip", "memory.max=max"]);
    assert_eq!(v2(r#"{"memory":{"limit":1000}}"#), ["memory.max=1000"]);
    assert_eq!(v2(r#"{"memory":{"limit":0,"swap":0}}"#), Vec::<String>::new());
}

#[test]
fn memory_that_makes_no_sense_is_refused() {
    assert_eq!(
        refusal(r#"{"memory":{"swap":3000}}"#, V2),
        "linux.resources.memory.swap: unable to set swap limit without memory limit"
    );
    assert_eq!(
        refusal(r#"{"memory":{"limit":3000,"swap":2000}}"#, V2),
        "linux.resources.memory.swap: memory+swap limit should be >= memory limit"
    );
    assert_eq!(
        refusal(r#"{"memory":{"limit":-2}}"#, V1),
        "linux.resources.memory.limit: invalid memory value: -2"
    );
    assert_eq!(
        refusal(r#"{"memory":{"swappiness":101}}"#, V1),
        "linux.resources.memory.swappiness: invalid memory swappiness value: 101 (valid range is 0-100)"
    );
}

#[test]
fn what_v2_lacks_is_ignored_by_name() {
    let asked = resources(
        r#"{"memory":{"swappiness":3,"disableOOMKiller":true,"useHierarchy":false,"kernel":1,"kernelTCP":1},"cpu":{"realtimeRuntime":5},"network":{"classID":1}}"#,
    );
    let settings = settings(&asked, &V2).expect("settings");
    assert!(settings.writes.is_empty());
    assert_eq!(
        settings.ignored,
        [
            "linux.resources.memory.kernel",
            "linux.resources.memory.kernelTCP",
            "linux.resources.memory.swappiness",
            "linux.resources.memory.disableOOMKiller",
            "linux.resources.memory.useHierarchy",
            "linux.resources.cpu.realtimeRuntime",
            "linux.resources.network.classID",
        ]
    );
}

#[test]
fn cpu_on_v1() {
    assert_eq!(
        v1(r#"{"cpu":{"shares":512,"quota":20000,"period":50000,"burst":1000,"cpus":"0-1","mems":"0",
            "realtimeRuntime":1,"realtimePeriod":2}}"#),
        [
            "cpuset.cpus=0-1",
            "cpuset.mems=0",
            "cpu.shares=512",
            "cpu.cfs_period_us=50000 or later",
            "cpu.cfs_burst_us=1000 or later",
            "cpu.cfs_quota_us=20000",
            "cpu.rt_period_us=2 or later",
            "cpu.rt_runtime_us=1",
        ]
    );
    assert_eq!(v1(r#"{"cpu":{"period":50000}}"#), ["cpu.cfs_period_us=50000"]);
    let error = refusal(r#"{"cpu":{"shares":1}}"#, V1);
    assert_eq!(error, "linux.resources.cpu.shares: the minimum allowed cpu-shares is 2");
    let error = refusal(r#"{"cpu":{"shares":262145}}"#, V1);
    assert_eq!(error, "linux.resources.cpu.shares: the maximum allowed cpu-shares is 262144");
}

#[test]
fn cpu_on_v2() {
    assert_eq!(
        v2(r#"{"cpu":{"shares":1024,"quota":20000,"burst":1000}}"#),
        ["cpu.weight=100", "cpu.max.burst=1000 or later", "cpu.max=20000 100000"]
    );
    assert_eq!(v2(r#"{"cpu":{"period":50000}}"#), ["cpu.max=max 50000"]);
    assert_eq!(v2(r#"{"cpu":{"quota":-1}}"#), ["cpu.max=max 100000"]);
    assert_eq!(v2(r#"{"cpu":{"shares":0,"quota":0,"period":0}}"#), Vec::<String>::new());
}

#[test]
fn idle_has_no_weight() {
    assert_eq!(v2(r#"{"cpu":{"shares":1024,"idle":1}}"#), ["cpu.idle=1"]);
    assert_eq!(v1(r#"{"cpu":{"shares":1024,"idle":0}}"#), ["cpu.idle=0", "cpu.shares=1024"]);
}

#[test]
fn shares_become_weights() {
    use crate::cgroup::settings::cpu_weight;
    let table = [(0, None), (1, Some(1)), (2, Some(1)), (1024, Some(100)), (262_144, Some(10_000))];
    for (shares, weight) in table {
        assert_eq!(cpu_weight(shares), weight, "shares {shares}");
    }
    assert_eq!(cpu_weight(u64::MAX), Some(10_000));
    assert_eq!(cpu_weight(512), Some(59));
    let curve: Vec<_> = (1..=262_144).map(cpu_weight).collect();
    assert!(curve.is_sorted());
}

#[test]
fn pids_zero_is_one_and_negative_is_no_limit() {
    assert_eq!(v1(r#"{"pids":{"limit":0}}"#), ["pids.max=1"]);
    assert_eq!(v2(r#"{"pids":{"limit":-1}}"#), ["pids.max=max"]);
    assert_eq!(v2(r#"{"pids":{"limit":42}}"#), ["pids.max=42"]);
}

#[test]
fn block_io() {
    let json = r#"{"blockIO":{"weight":500,"weightDevice":[{"major":8,"minor":0,"weight":10}],
        "throttleReadBpsDevice":[{"major":8,"minor":0,"rate":600}],
        "throttleWriteIOPSDevice":[{"major":8,"minor":16,"rate":0}]}}"#;
    assert_eq!(
        v1(json),
        [
            "blkio.weight=500 or blkio.bfq.weight=500",
            "blkio.weight_device=8:0 10 or blkio.bfq.weight_device=8:0 10",
            "blkio.throttle.read_bps_device=8:0 600",
            "blkio.throttle.write_iops_device=8:16 0",
        ]
    );
    assert_eq!(
        v2(json),
        [
            "io.bfq.weight=500 or io.weight=4950",
            "io.bfq.weight=8:0 10 or io.weight=8:0 1",
            "io.max=8:0 rbps=600",
            "io.max=8:16 wiops=max",
        ]
    );
    let error = refusal(r#"{"blockIO":{"weight":9}}"#, V2);
    assert_eq!(error, "linux.resources.blockIO.weight: invalid weight 9 (valid range is 10-1000)");
}

#[test]
fn network_classes_and_priorities() {
    let json = r#"{"network":{"classID":1048577,"priorities":[{"name":"lo","priority":5},{"name":"eth0","priority":0}]}}"#;
    assert_eq!(v1(json), ["net_cls.classid=1048577", "net_prio.ifpriomap=lo 5", "net_prio.ifpriomap=eth0 0"]);
}

#[test]
fn rdma_devices() {
    let json = r#"{"rdma":{"mlx5_1":{"hcaHandles":3,"hcaObjects":10000},"mlx4_0":{"hcaObjects":5}}}"#;
    let lines = ["rdma.max=mlx4_0 hca_object=5", "rdma.max=mlx5_1 hca_handle=3 hca_object=10000"];
    assert_eq!(v1(json), lines);
    assert_eq!(v2(json), lines);
}

#[test]
fn weights_of_leaves_are_of_v1() {
    let json = r#"{"blockIO":{"leafWeight":20,"weightDevice":[{"major":8,"minor":0,"leafWeight":30}]}}"#;
    assert_eq!(v1(json), ["blkio.leaf_weight=20", "blkio.leaf_weight_device=8:0 30"]);
    assert_eq!(v2(json), Vec::<String>::new());
}

#[test]
fn huge_pages_and_their_reservations() {
    let json = r#"{"hugepageLimits":[{"pageSize":"2MB","limit":4194304}]}"#;
    assert_eq!(
        v1(json),
        ["hugetlb.2MB.limit_in_bytes=4194304", "hugetlb.2MB.rsvd.limit_in_bytes=4194304 or skip"]
    );
    assert_eq!(v2(json), ["hugetlb.2MB.max=4194304", "hugetlb.2MB.rsvd.max=4194304 or skip"]);
}

/// Seen failing without `is_page_size`.
#[test]
fn names_that_leave_the_directory_are_refused() {
    for size in ["../2MB", "2MB/../../x", "", "MB", "2MB\n"] {
        let size = serde_json::to_string(size).expect("json");
        let error = refusal(&format!(r#"{{"hugepageLimits":[{{"pageSize":{size},"limit":1}}]}}"#), V2);
        assert!(
            error.starts_with("linux.resources.hugepageLimits[0].pageSize: invalid page size"),
            "{error}"
        );
    }
    for key in ["../memory.max", "memory/x", "cgroup..procs", "memory", ".max", "memory.", "memory.max\n"] {
        let key = serde_json::to_string(key).expect("json");
        let error = refusal(&format!(r#"{{"unified":{{{key}:"1"}}}}"#), V2);
        assert!(error.starts_with("linux.resources.unified."), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }
    for name in ["eth0 1\\nlo", "a/b", ""] {
        let error =
            refusal(&format!(r#"{{"network":{{"priorities":[{{"name":"{name}","priority":1}}]}}}}"#), V1);
        assert!(error.starts_with("linux.resources.network.priorities[0].name: "), "{error}");
    }
}

#[test]
fn unified_goes_line_by_line_and_only_to_pure_v2() {
    assert_eq!(
        v2(r#"{"unified":{"memory.high":"5","io.max":"8:0 rbps=1\n8:16 rbps=2"}}"#),
        ["io.max=8:0 rbps=1", "io.max=8:16 rbps=2", "memory.high=5"]
    );
    let error = refusal(r#"{"unified":{"memory.high":"5"}}"#, V1);
    assert!(error.contains("cannot use unified on cgroup v1"), "{error}");
}

#[test]
fn a_missing_controller_is_named_with_the_limit_that_asks_for_it() {
    let none = |_: &'static str| None;
    let missing = |json: &str| settings(&resources(json), &none).expect_err("missing").to_string();
    assert_eq!(
        missing(r#"{"memory":{"reservation":5}}"#),
        "linux.resources.memory.reservation: the memory cgroup controller is not available"
    );
    assert_eq!(
        missing(r#"{"blockIO":{"throttleReadBpsDevice":[{"major":8,"minor":0,"rate":6}]}}"#),
        "linux.resources.blockIO.throttleReadBpsDevice[0]: the blkio cgroup controller is not available"
    );
}
