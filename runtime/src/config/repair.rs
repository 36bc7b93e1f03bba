//! Where `oci_spec` is stricter than runc: rewrites a document so that it reads the same in both.
//!
//! Go takes null for the zero value of any type, and leaves required properties at it. Runs only after a plain
//! parse has failed.

use oci_spec::runtime::Capability;
use serde_json::{Map, Value, json};

/// Objects whose keys are the user's: a null in them is a value, and wrong.
const MAPS: [&str; 6] = ["annotations", "sysctl", "unified", "rdma", "netDevices", "timeOffsets"];

/// A whole config.json.
pub(super) fn spec(document: &mut Value) {
    // Other platforms' sections, and two properties that only `oci_spec` knows: not ours to check.
    if let Some(document) = document.as_object_mut() {
        for section in ["windows", "solaris", "vm", "zos", "uidMappings", "gidMappings"] {
            document.remove(section);
        }
    }
    strip_nulls(document);
    if let Some(found) = document.get_mut("process") {
        process(found);
    }
    if let Some(linux) = document.get_mut("linux") {
        if let Some(found) = linux.get_mut("resources") {
            resources(found);
        }
        seccomp(linux);
    }
}

/// Removes every property that is null.
pub(super) fn strip_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members
                .iter_mut()
                .filter(|(key, _)| !MAPS.contains(&key.as_str()))
                .for_each(|(_, v)| strip_nulls(v));
        }
        Value::Array(elements) => elements.iter_mut().for_each(strip_nulls),
        _ => {}
    }
}

/// A process: of config.json, or of `exec --process`.
pub(super) fn process(process: &mut Value) {
    let Some(process) = process.as_object_mut() else { return };
    // Go takes a null for an empty string here, too.
    for arg in process.get_mut("args").and_then(Value::as_array_mut).into_iter().flatten() {
        if arg.is_null() {
            *arg = "".into();
        }
    }
    process.entry("user").or_insert_with(|| json!({}));
    for set in
        process.get_mut("capabilities").and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut)
    {
        drop_unknown_capabilities(set);
    }
    if let Some(affinity) = process.get_mut("execCPUAffinity").and_then(Value::as_object_mut) {
        // "If omitted or empty" (config.md); `oci_spec` accepts only the former.
        affinity.retain(|_, cpus| cpus != "");
    }
    let flags = process.get_mut("scheduler").and_then(|scheduler| scheduler.get_mut("flags"));
    for flag in flags.and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some((_, theirs)) = MISSPELLED.iter().find(|(ours, _)| flag == ours) {
            *flag = (*theirs).into();
        }
    }
}

/// The specification's names that `oci_spec` spells otherwise, and how.
const MISSPELLED: [(&str, &str); 2] = [
    ("SCHED_FLAG_RESET_ON_FORK", "SCHED_RESET_ON_FORK"),
    ("SCHED_FLAG_DL_OVERRUN", "SCHED_FLAG_D_L_OVERRUN"),
];

/// A name of `oci_spec`'s as the specification spells it.
pub(super) fn spelled(theirs: &str) -> &str {
    MISSPELLED.iter().find(|(_, name)| *name == theirs).map_or(theirs, |(ours, _)| ours)
}

/// Capabilities that we don't know are "logged as a warning" and left out (config.md).
fn drop_unknown_capabilities(set: &mut Value) {
    let Some(names) = set.as_array_mut() else { return };
    names.retain(|name| {
        let known = !name.is_string() || serde_json::from_value::<Capability>(name.clone()).is_ok();
        // Callers parse the log: at its default level it holds nothing but the error.
        if !known && log::log_enabled!(log::Level::Debug) {
            log::warn!("ignoring unknown or unavailable capability {name}");
        }
        known
    });
}

/// Limits: of config.json, or of `update --resources`.
pub(super) fn resources(resources: &mut Value) {
    for rule in resources.get_mut("devices").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(rule) =
            rule.as_object_mut().filter(|rule| rule.get("type").is_some_and(|kind| kind == ""))
        {
            rule.remove("type");
        }
    }
    for limit in resources.get_mut("hugepageLimits").and_then(Value::as_array_mut).into_iter().flatten() {
        // A u64 in the spec and an i64 in `oci_spec`; both are more pages than there are.
        if let Some(limit) =
            limit.get_mut("limit").filter(|limit| limit.as_u64() > Some(i64::MAX.unsigned_abs()))
        {
            *limit = i64::MAX.into();
        }
    }
}

/// runc takes a filter without default action and without rules for none at all.
fn seccomp(linux: &mut Value) {
    let is_none = |seccomp: &Value| {
        seccomp.is_object()
            && seccomp.get("defaultAction").is_none_or(|action| action == "")
            && seccomp.get("syscalls").and_then(Value::as_array).is_none_or(Vec::is_empty)
    };
    if linux.get("seccomp").is_some_and(is_none)
        && let Some(linux) = linux.as_object_mut()
    {
        linux.remove("seccomp");
    }
}
