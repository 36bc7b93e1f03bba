//! `features` says all that its schema has a place for, in the schema's words, and no more than skeg does.

use skeg_tests::{Invocation, Value, host, need_root, only_skeg};

use super::properties::Schema;

/// What features-linux.md has of specification 1.3 and the schema lacks.
const BEYOND_THE_SCHEMA: [&str; 4] = [
    "linux.intelRdt.schemata",
    "linux.intelRdt.monitoring",
    "linux.memoryPolicy.modes[]",
    "linux.memoryPolicy.flags[]",
];

fn features() -> Value {
    Invocation::new(host::runtime()).arg("features").finish().ok().json()
}

/// What stands at `linux.seccomp.archs[]` or `annotations{}`.
fn at<'a>(features: &'a Value, property: &str) -> &'a Value {
    let property = property.trim_end_matches("[]").trim_end_matches("{}");
    features.pointer(&format!("/{}", property.replace('.', "/"))).unwrap_or(&Value::Null)
}

#[test]
fn every_property_of_the_schema_is_there() {
    only_skeg!();
    let features = features();
    let schema = Schema.properties("features-schema.json");
    assert!(schema.len() > 60, "{schema:?}");
    let mut missing = Vec::new();
    for property in schema.iter().map(String::as_str).chain(BEYOND_THE_SCHEMA) {
        let (place, value) = property.split_once(" = ").unwrap_or((property, ""));
        let found = at(&features, place);
        let values = || found.as_array().is_some_and(|list| list.iter().any(|listed| listed == value));
        // The flags that are supported are the kernel's to say.
        let is_there = value.is_empty() || values() || place == "linux.seccomp.supportedFlags[]";
        if found.is_null() || !is_there {
            missing.push(property);
        }
    }
    assert_eq!(missing, [""; 0], "{features}");
}

#[test]
fn words_that_the_schema_defines_are_no_others() {
    only_skeg!();
    let features = features();
    let schema = Schema.properties("features-schema.json");
    let defined = |place: &str| schema.iter().any(|property| property.starts_with(&format!("{place} = ")));
    for place in ["namespaces", "seccomp.actions", "seccomp.operators", "seccomp.archs", "seccomp.knownFlags"]
    {
        let place = format!("linux.{place}[]");
        assert!(defined(&place), "{place}");
        for word in at(&features, &place).as_array().expect("a list") {
            let property = format!("{place} = {}", word.as_str().expect("a word"));
            assert!(schema.contains(&property), "{property}");
        }
    }
}

#[test]
fn systemd_driver_is_announced_where_it_is_there() {
    only_skeg!();
    need_root!();
    let output = Invocation::new(host::runtime()).args(["--systemd-cgroup", "list"]).finish();
    let refused = output.stderr.contains("systemd cgroup driver is not part");
    assert_eq!(features()["linux"]["cgroup"]["systemd"], !refused, "{output}");
}

#[test]
fn checkpoint_is_announced_where_it_is_there() {
    only_skeg!();
    let there = Invocation::new(host::runtime()).args(["checkpoint", "--help"]).finish().code == 0;
    let announced = &features()["annotations"]["org.opencontainers.runc.checkpoint.enabled"];
    assert_eq!(announced, &there.to_string());
}
