//! How the process gets CPU time, I/O and memory, and its personality.

use skeg_tests::{Bundle, Value, json, need_root, not_runc, only_skeg, skip};

fn scheduled(scheduler: Value) -> Value {
    Bundle::seeing(&["scheduler"]).set("/process/scheduler", scheduler).seen_one()
}

#[test]
fn batch_policy_with_a_nice_value_is_set() {
    need_root!();
    not_runc!();
    let seen = scheduled(json!({"policy": "SCHED_BATCH", "nice": 5}));
    assert_eq!((&seen["policy"], &seen["nice"]), (&json!(3), &json!(5)));
}

#[test]
fn idle_policy_is_set() {
    need_root!();
    not_runc!();
    assert_eq!(scheduled(json!({"policy": "SCHED_IDLE"}))["policy"], 5);
}

#[test]
fn policy_that_is_reset_on_fork_is_flagged() {
    need_root!();
    not_runc!();
    let seen = scheduled(json!({"policy": "SCHED_OTHER", "nice": 3, "flags": ["SCHED_RESET_ON_FORK"]}));
    assert_eq!((&seen["flags"], &seen["nice"]), (&json!(1), &json!(3)));
}

#[test]
fn each_flag_of_the_scheduler_does_what_it_says() {
    need_root!();
    not_runc!();
    let flagged = |flag: &str| json!({"policy": "SCHED_BATCH", "nice": 4, "flags": [flag]});
    let seen = |flag: &str| scheduled(flagged(flag));
    assert_eq!(seen("SCHED_FLAG_RESET_ON_FORK")["flags"], 1);
    assert_eq!(seen("SCHED_FLAG_KEEP_POLICY")["policy"], 0);
    let own = Bundle::seeing(&["scheduler"]).seen_one();
    assert_eq!(seen("SCHED_FLAG_KEEP_PARAMS")["nice"], own["nice"]);
    // Of the deadline class, and harmless elsewhere.
    for flag in ["SCHED_FLAG_RECLAIM", "SCHED_FLAG_DL_OVERRUN"] {
        assert_eq!(seen(flag)["policy"], 3, "{flag}");
    }
    for flag in ["SCHED_FLAG_UTIL_CLAMP_MIN", "SCHED_FLAG_UTIL_CLAMP_MAX"] {
        let output = Bundle::seeing(&["scheduler"]).set("/process/scheduler", flagged(flag)).run();
        // A kernel without uclamp says so, which is the error of the property.
        match output.code {
            0 => assert_eq!(output.json()["scheduler"]["policy"], 3, "{flag}"),
            _ => assert!(output.stderr.contains("process.scheduler"), "{output}"),
        }
    }
}

#[test]
fn real_time_policies_are_set() {
    need_root!();
    not_runc!();
    for (policy, number) in [("SCHED_FIFO", 1), ("SCHED_RR", 2)] {
        let container = Bundle::seeing(&["scheduler"]);
        let output = container.set("/process/scheduler", json!({"policy": policy, "priority": 7})).run();
        // A cgroup without a share of real-time has none to give (sched(7)).
        if output.stderr.contains("EPERM") {
            skip!("no real-time priority for this cgroup");
        }
        let seen = &output.ok().json()["scheduler"];
        assert_eq!((&seen["policy"], &seen["priority"]), (&json!(number), &json!(7)));
    }
}

#[test]
fn deadline_policy_is_set() {
    need_root!();
    not_runc!();
    let times = json!({"runtime": 1_000_000, "deadline": 10_000_000, "period": 20_000_000});
    let container = Bundle::seeing(&["scheduler"]).set("/process/scheduler", times);
    let output = container.set("/process/scheduler/policy", "SCHED_DEADLINE").run();
    if output.stderr.contains("EPERM") || output.stderr.contains("EBUSY") {
        skip!("no deadlines for this cgroup");
    }
    let seen = &output.ok().json()["scheduler"];
    assert_eq!((&seen["policy"], &seen["times"]), (&json!(6), &json!([1_000_000, 10_000_000, 20_000_000])));
}

#[test]
fn scheduler_that_the_kernel_refuses_fails_the_create() {
    only_skeg!();
    need_root!();
    let container = Bundle::seeing(&["pid"]).set("/process/scheduler", json!({"policy": "SCHED_ISO"}));
    container.create().fails_with("process.scheduler (SCHED_ISO): set scheduler: EINVAL");
    container.nothing_left();
}

#[test]
fn scheduler_and_io_priority_are_those_of_an_exec_as_well() {
    need_root!();
    not_runc!();
    let container = Bundle::pausing()
        .set("/process/scheduler", json!({"policy": "SCHED_BATCH", "nice": 5}))
        .set("/process/ioPriority", json!({"class": "IOPRIO_CLASS_BE", "priority": 6}))
        .running();
    let seen = container.exec_seen(&[], &["scheduler", "io-priority"]);
    assert_eq!(seen["scheduler"]["nice"], 5);
    assert_eq!(seen["io-priority"], json!({"class": 2, "level": 6}));
}

#[test]
fn io_priority_is_set() {
    need_root!();
    not_runc!();
    for (class, number, level) in
        [("IOPRIO_CLASS_BE", 2, 6), ("IOPRIO_CLASS_RT", 1, 6), ("IOPRIO_CLASS_IDLE", 3, 0)]
    {
        let priority = json!({"class": class, "priority": level});
        let seen = Bundle::seeing(&["io-priority"]).set("/process/ioPriority", priority).seen_one();
        assert_eq!(seen, json!({"class": number, "level": level}));
    }
}

#[test]
fn personality_is_set_for_the_container_and_for_what_is_run_in_it() {
    need_root!();
    not_runc!();
    let domain = json!({"domain": "LINUX"});
    assert_eq!(Bundle::seeing(&["personality"]).set("/linux/personality", domain).seen_one(), 0);
    let domain = json!({"domain": "LINUX32"});
    let container = Bundle::seeing(&["personality"]).set("/linux/personality", domain.clone());
    assert_eq!(container.seen_one(), 8);
    let container = Bundle::pausing().set("/linux/personality", domain).running();
    assert_eq!(container.exec_seen(&[], &["personality"])["personality"], 8);
}

#[test]
fn memory_policy_is_set_for_the_container_and_for_what_is_run_in_it() {
    need_root!();
    not_runc!();
    let policy = json!({"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]});
    let container = Bundle::probe(&["see", "memory-policy", "then", "pause"]);
    let container = container.set("/linux/memoryPolicy", policy);
    let output = container.create();
    if output.stderr.contains("ENOSYS") {
        skip!("the kernel is built without NUMA");
    }
    container.start().ok();
    let seen: Value = serde_json::from_str(&container.line()).expect("JSON");
    assert_eq!(seen["memory-policy"], json!({"mode": 0x8002, "nodes": 1}));
    assert_eq!(container.exec_seen(&[], &["memory-policy"]), seen);
}

#[test]
fn each_memory_policy_is_set() {
    need_root!();
    not_runc!();
    let policies = [
        (json!({"mode": "MPOL_DEFAULT"}), 0, 0),
        (json!({"mode": "MPOL_PREFERRED", "nodes": "0"}), 1, 1),
        (json!({"mode": "MPOL_BIND", "nodes": "0"}), 2, 1),
        (json!({"mode": "MPOL_INTERLEAVE", "nodes": "0"}), 3, 1),
        (json!({"mode": "MPOL_LOCAL"}), 4, 0),
        (json!({"mode": "MPOL_PREFERRED_MANY", "nodes": "0"}), 5, 1),
        (json!({"mode": "MPOL_WEIGHTED_INTERLEAVE", "nodes": "0"}), 6, 1),
        (json!({"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_NUMA_BALANCING"]}), 0x2002, 1),
        (json!({"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_RELATIVE_NODES"]}), 0x4002, 1),
        (json!({"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]}), 0x8002, 1),
    ];
    for (policy, mode, nodes) in policies {
        let output = Bundle::seeing(&["memory-policy"]).set("/linux/memoryPolicy", policy.clone()).run();
        if output.stderr.contains("ENOSYS") {
            skip!("the kernel is built without NUMA");
        }
        assert_eq!(output.ok().json()["memory-policy"], json!({"mode": mode, "nodes": nodes}), "{policy}");
    }
}

#[test]
fn exec_runs_on_the_cpus_that_are_named_last() {
    need_root!();
    not_runc!();
    let affinity = json!({"initial": "0", "final": "1"});
    let container = Bundle::pausing().set("/process/execCPUAffinity", affinity).running();
    assert_eq!(container.exec_seen(&[], &["cpus"])["cpus"]["Cpus_allowed_list"], "1");
}

#[test]
fn exec_stays_on_the_initial_cpus_without_final_ones() {
    need_root!();
    not_runc!();
    let container = Bundle::pausing().set("/process/execCPUAffinity", json!({"initial": "1"})).running();
    assert_eq!(container.exec_seen(&[], &["cpus"])["cpus"]["Cpus_allowed_list"], "1");
}
