//! Every rule against the file that a person reads, `messages.txt`.

use std::fmt::Write as _;

use serde_json::{Value, json};

use std::path::Path;

use super::*;
use crate::config::load;

const MESSAGES: &str = include_str!("messages.txt");

/// A configuration without a mistake, with one of everything that the cases change.
fn valid() -> Value {
    json!({
        "ociVersion": "1.3.0",
        "root": {"path": "rootfs"},
        "hostname": "web",
        "process": {"args": ["sh"], "cwd": "/", "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0}},
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/data", "type": "bind", "source": "/srv", "options": ["rbind", "ro"]},
        ],
        "linux": {
            "namespaces": [
                {"type": "mount"}, {"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"},
            ],
            "resources": {"devices": [{"allow": false, "access": "rwm"}]},
            "seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": []},
        },
    })
}

/// One paragraph of the file: what to change, and what is said then.
struct Case {
    title: &'static str,
    changes: Vec<&'static str>,
}

fn cases() -> Vec<Case> {
    let paragraphs = MESSAGES.split("\n\n").filter(|paragraph| paragraph.starts_with("# "));
    paragraphs
        .map(|paragraph| {
            let mut lines = paragraph.lines();
            let title = lines.next().unwrap_or_default();
            Case { title, changes: lines.filter(|line| !line.starts_with("> ")).collect() }
        })
        .collect()
}

/// `/json/pointer = value`, where the last part may be new; `-/json/pointer` removes.
fn change(config: &mut Value, line: &str) {
    let (pointer, value) = match line.strip_prefix('-') {
        Some(pointer) => (pointer, None),
        None => {
            let (pointer, value) = line.split_once(" = ").unwrap();
            (pointer, Some(serde_json::from_str(value).unwrap_or_else(|error| panic!("{line}: {error}"))))
        }
    };
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    match (config.pointer_mut(parent).unwrap_or_else(|| panic!("no {parent}")), value) {
        (Value::Object(members), Some(value)) => drop(members.insert(key.replace("~1", "/"), value)),
        (Value::Object(members), None) => drop(members.remove(key).unwrap_or_else(|| panic!("no {pointer}"))),
        (Value::Array(elements), Some(value)) if key == "-" => elements.push(value),
        (Value::Array(elements), Some(value)) => elements[key.parse::<usize>().unwrap()] = value,
        (parent, _) => panic!("nothing to change in {parent}"),
    }
}

fn outcome(case: &Case) -> String {
    let (mut config, mut text, mut context) = (valid(), None, Context::default());
    for line in &case.changes {
        match line.split_once(' ').or((*line == "text").then_some((line, ""))) {
            Some(("context", "rootless")) => context.rootless = true,
            Some(("context", "apparmor")) => context.apparmor = true,
            Some(("context", "selinux")) => context.selinux = true,
            Some(("context", "joins-host")) => {
                context.joins_host = HostNamespaces { network: true, ipc: true, uts: true };
            }
            Some(("text", raw)) => text = Some(raw.as_bytes().to_vec()),
            _ => change(&mut config, line),
        }
    }
    let text = text.unwrap_or_else(|| serde_json::to_vec(&config).unwrap());
    match load::parse(&text, Path::new("config.json")) {
        Err(error) => error.to_string(),
        Ok(spec) => check(&spec, context).err().map_or("no error".into(), |errors| errors.to_string()),
    }
}

#[test]
fn every_mistake_is_told_as_in_the_file() {
    let head = MESSAGES.split("\n\n").next().unwrap();
    let mut actual = format!("{head}\n");
    for case in cases() {
        write!(actual, "\n{}\n", case.title).unwrap();
        case.changes.iter().for_each(|line| writeln!(actual, "{line}").unwrap());
        writeln!(actual, "> {}", outcome(&case)).unwrap();
    }
    if actual != MESSAGES {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/src/config/check/messages.txt");
        if std::env::var_os("UPDATE_MESSAGES").is_some() {
            std::fs::write(file, &actual).unwrap();
        }
        let differing = actual.lines().zip(MESSAGES.lines()).find(|(now, then)| now != then);
        panic!("{file} differs (UPDATE_MESSAGES=1 rewrites it), first (now, file): {differing:#?}");
    }
}

#[test]
fn the_configuration_that_the_cases_change_is_valid() {
    assert_eq!(outcome(&Case { title: "", changes: vec![] }), "no error");
}

#[test]
fn all_mistakes_are_found_and_the_first_are_printed() {
    let mut config = valid();
    config["process"]["env"] = (0..20).map(|_| json!("A")).collect();
    config["process"]["args"] = json!([]);
    let spec = load::parse(&serde_json::to_vec(&config).unwrap(), Path::new("config.json")).unwrap();
    let errors = check(&spec, Context::default()).unwrap_err();
    assert_eq!(errors.problems().len(), 21);
    let text = errors.to_string();
    assert!(
        text.starts_with("config.json: process.args: args must not be empty; process.env[0]: "),
        "{text}"
    );
    assert!(text.ends_with("; and 9 more"), "{text}");
    assert!(!text.contains('\n'));
}

#[test]
fn more_groups_than_setgroups_takes_are_too_many() {
    let mut config = valid();
    config["process"]["user"]["additionalGids"] = (0..70_000).collect();
    let spec = load::parse(&serde_json::to_vec(&config).unwrap(), Path::new("config.json")).unwrap();
    let text = check(&spec, Context::default()).unwrap_err().to_string();
    assert_eq!(text, "config.json: process.user.additionalGids: 70000 groups are too many: at most 65536");
}

#[test]
fn a_process_and_limits_are_checked_by_themselves() {
    let file = Path::new("/tmp/p.json");
    let process = load::parse_process(br#"{"args": [], "cwd": "/", "env": null}"#, file).unwrap();
    let error = check_process(&process, &Source::File(file.into()), Context::default()).unwrap_err();
    assert_eq!(error.to_string(), "/tmp/p.json: args: args must not be empty");
    let resources = load::parse_resources(br#"{"unified": {"../x": "1"}}"#, file).unwrap();
    let error = check_resources(&resources, &Source::File(file.into())).unwrap_err();
    assert_eq!(error.to_string(), r#"/tmp/p.json: unified["../x"]: "../x" must be a file name (no slashes)"#);
}

#[test]
fn flags_are_named_instead_of_the_properties_they_set() {
    let process =
        load::parse_process(br#"{"args": ["a"], "cwd": "x", "env": ["A"]}"#, Path::new("-")).unwrap();
    let source = Source::Flags(&[("cwd", "--cwd"), ("env", "--env")]);
    let error = check_process(&process, &source, Context::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "--env: invalid environment variable: missing '='; --cwd: cwd must be an absolute path, not \"x\""
    );
}

#[test]
fn both_separators_of_a_sysctl_name_the_same_file() {
    for name in ["net.ipv4.conf.eth0/100.forwarding", "net/ipv4/conf/eth0.100/forwarding"] {
        assert_eq!(sysctl::proc_path(name).as_deref(), Some("net/ipv4/conf/eth0.100/forwarding"));
    }
    for name in ["", "net..x", "net/../kernel/core_pattern", "/net/x", "net.", "net.//.x", "net. x", "net.\0"]
    {
        assert_eq!(sysctl::proc_path(name), None, "{name}");
    }
}
