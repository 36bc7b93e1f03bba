//! What `features` lists is what a config may hold, and nothing else is.

use std::collections::BTreeSet;
use std::path::Path;

use super::*;
use crate::config::{self, Context};
use crate::plan;

/// Whether a config with `value` at `pointer` is read, checked and, where it has a filter, compiled.
fn accepted(pointer: &str, value: Value) -> bool {
    let mut config = json!({
        "ociVersion": "1.3.0",
        "root": { "path": "rootfs" },
        "process": { "args": ["sh"], "cwd": "/", "user": { "uid": 0, "gid": 0 }, "capabilities": {} },
        "hooks": {},
        "mounts": [{ "destination": "/data", "type": "bind", "source": "/srv" }],
        "linux": {
            "namespaces": [],
            "memoryPolicy": { "mode": "MPOL_PREFERRED" },
            "seccomp": {
                "defaultAction": "SCMP_ACT_ALLOW",
                "listenerPath": "/run/agent",
                "syscalls": [{ "names": ["read"], "action": "SCMP_ACT_ERRNO", "args": [] }],
            },
        },
    });
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    match config.pointer_mut(parent).unwrap() {
        Value::Object(members) => drop(members.insert(key.to_owned(), value)),
        parent => *parent = value,
    }
    let text = serde_json::to_vec(&config).unwrap();
    let Ok(spec) = config::parse(&text, Path::new("config.json")) else { return false };
    let profile = spec.linux().as_ref().and_then(|linux| linux.seccomp().as_ref()).unwrap();
    let compiled = seccomp::compile(profile, &seccomp::Host::native());
    // An architecture of the other byte order has its table; a host of that order is all it lacks.
    let compiles = matches!(compiled, Ok(_) | Err(seccomp::Error::ByteOrder { .. }));
    compiles && config::check(&spec, Context::default()).is_ok()
}

fn list(pointer: &str) -> Vec<String> {
    serde_json::from_value(features().pointer(pointer).unwrap().clone()).unwrap()
}

/// Everything of a list is accepted in its place, made by `value`, and a word that is close to one isn't.
fn holds(list_at: &str, config_at: &str, value: impl Fn(&str) -> Value) {
    let words = list(list_at);
    assert!(!words.is_empty(), "{list_at}");
    assert_eq!(words.iter().collect::<BTreeSet<_>>().len(), words.len(), "{list_at}: a word is there twice");
    for word in &words {
        assert!(accepted(config_at, value(word)), "{list_at}: {word} is refused");
        assert!(!accepted(config_at, value(&format!("{word}_?"))), "{list_at}: {word}_? is accepted");
    }
}

#[test]
fn actions_are_those_of_a_profile() {
    holds("/linux/seccomp/actions", "/linux/seccomp/syscalls/0/action", |word| json!(word));
}

#[test]
fn operators_are_those_of_a_profile() {
    let args = |word: &str| json!([{ "index": 0, "value": 1, "op": word }]);
    holds("/linux/seccomp/operators", "/linux/seccomp/syscalls/0/args", args);
}

#[test]
fn architectures_are_those_that_compile() {
    holds("/linux/seccomp/archs", "/linux/seccomp/architectures", |word| json!([word]));
    // `SCMP_ARCH_NATIVE` is libseccomp's, and no word of the specification's.
    assert_eq!(list("/linux/seccomp/archs").len() + 1, words::of::<Arch>().len());
}

#[test]
fn known_flags_are_those_of_a_profile() {
    holds("/linux/seccomp/knownFlags", "/linux/seccomp/flags", |word| json!([word]));
}

#[test]
fn supported_flags_are_known_ones_that_the_kernel_takes() {
    let (known, supported) = (list("/linux/seccomp/knownFlags"), list("/linux/seccomp/supportedFlags"));
    assert!(supported.iter().all(|flag| known.contains(flag)), "{supported:?}");
    // Linux 4.14 has it; since then nobody has taken it away.
    assert!(supported.contains(&"SECCOMP_FILTER_FLAG_LOG".to_owned()), "{supported:?}");
    assert!(!sys::seccomp_flag_is_known(1 << 31));
}

#[test]
fn namespaces_are_those_of_a_config() {
    let namespace = |word: &str| json!([{ "type": word, "path": "/proc/1/ns/x" }]);
    holds("/linux/namespaces", "/linux/namespaces", namespace);
    assert_eq!(list("/linux/namespaces").len(), words::of::<oci_spec::runtime::LinuxNamespaceType>().len());
}

#[test]
fn memory_policies_are_those_of_a_config() {
    let nodes = |word: &str| match word {
        "MPOL_DEFAULT" | "MPOL_LOCAL" => json!({ "mode": word }),
        _ => json!({ "mode": word, "nodes": "0" }),
    };
    holds("/linux/memoryPolicy/modes", "/linux/memoryPolicy", nodes);
    let flags = |word: &str| json!({ "mode": "MPOL_PREFERRED", "flags": [word] });
    holds("/linux/memoryPolicy/flags", "/linux/memoryPolicy", flags);
}

/// Unknown hooks and capabilities must be ignored (config.md), so that acceptance tells nothing.
#[test]
fn hooks_are_those_that_run() {
    let hook = || json!([{ "path": "relative" }]);
    for point in list("/hooks") {
        assert!(!accepted(&format!("/hooks/{point}"), hook()), "{point} is not looked at");
    }
    assert!(accepted("/hooks/prestarted", hook()));
    assert_eq!(list("/hooks"), words::of::<oci_spec::runtime::Hooks>());
}

#[test]
fn capabilities_are_those_that_a_process_can_get() {
    let names = list("/linux/capabilities");
    let parse = |name: &String| serde_json::from_value(json!(name)).unwrap();
    let parsed: Vec<oci_spec::runtime::Capability> = names.iter().map(parse).collect();
    assert_eq!(parsed, plan::CAPABILITIES);
    assert!(serde_json::from_value::<oci_spec::runtime::Capability>(json!("CAP_KILLX")).is_err());
    // The last one that Linux has, and one for each number up to it.
    assert_eq!((names.len(), names.last().unwrap().as_str()), (41, "CAP_CHECKPOINT_RESTORE"));
}

/// What is no option belongs to the file system (config.md, "Mounts").
#[test]
fn mount_options_are_those_that_no_file_system_gets() {
    let data = |word: &str| mount_options::parse(&[word.to_owned()]).data;
    for option in list("/mountOptions") {
        assert_eq!(data(&option), [""; 0], "{option}");
        assert_eq!(data(&format!("{option}x")), [format!("{option}x")]);
    }
}

#[test]
fn versions_are_those_of_a_config() {
    let features = features();
    for edge in ["ociVersionMin", "ociVersionMax"] {
        assert!(accepted("/ociVersion", features[edge].clone()), "{edge}");
    }
    assert!(!accepted("/ociVersion", json!("0.9.9")) && !accepted("/ociVersion", json!("2.0.0")));
}

#[test]
fn what_orchestrators_look_for_is_there() {
    let features = features();
    let has = |list: &Value, word: &str| list.as_array().unwrap().contains(&json!(word));
    assert!(has(&features["mountOptions"], "rro"));
    assert!(has(&features["linux"]["namespaces"], "user"));
    assert_eq!(features["linux"]["mountExtensions"]["idmap"]["enabled"], true);
    assert_eq!(features["ociVersionMin"], "1.0.0");
    assert_eq!(features["ociVersionMax"], "1.3.0");
}

#[test]
fn oci_spec_reads_it_back() {
    let text = features().to_string();
    let read: oci_spec::runtime::Features = serde_json::from_str(&text).unwrap();
    assert_eq!(read.oci_version_min(), "1.0.0");
}
