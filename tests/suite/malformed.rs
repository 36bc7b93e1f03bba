//! A thousand configs that are wrong, made from one that is right: each is refused with its place, and leaves nothing.

use std::fs;

use skeg_tests::{Bundle, Value, json, need_root, only_skeg};

const QUARTER: usize = 250;

/// The same numbers on every run: Knuth's MMIX.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end.max(1)
    }

    fn one_of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }
}

/// The default configuration with one of everything that has rules.
fn rich() -> Value {
    let mut config = Bundle::new().config().clone();
    let more = json!({
        "scheduler": {"policy": "SCHED_BATCH", "nice": 3},
        "ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 3},
        "execCPUAffinity": {"initial": "0", "final": "0"},
        "oomScoreAdj": 10,
    });
    merge(&mut config["process"], more);
    config["annotations"] = json!({"a": "b"});
    let more = json!({
        "sysctl": {"net.ipv4.ip_forward": "1"},
        "devices": [{"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 438}],
        "rootfsPropagation": "rslave",
        "personality": {"domain": "LINUX"},
        "seccomp": {
            "defaultAction": "SCMP_ACT_ALLOW",
            "architectures": ["SCMP_ARCH_X86_64"],
            "flags": ["SECCOMP_FILTER_FLAG_LOG"],
            "syscalls": [{
                "names": ["mount"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1,
                "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}],
            }],
        },
    });
    merge(&mut config["linux"], more);
    config["linux"]["resources"]["pids"] = json!({"limit": 50});
    config
}

fn merge(into: &mut Value, more: Value) {
    let Value::Object(more) = more else { panic!("an object") };
    into.as_object_mut().expect("an object").extend(more);
}

/// Every place of a document, as JSON pointers.
fn places(value: &Value, at: String, found: &mut Vec<String>) {
    let below: Vec<(String, &Value)> = match value {
        Value::Object(members) => {
            members.iter().map(|(key, value)| (key.replace('/', "~1"), value)).collect()
        }
        Value::Array(elements) => elements.iter().enumerate().map(|(i, v)| (i.to_string(), v)).collect(),
        _ => Vec::new(),
    };
    for (key, value) in below {
        places(value, format!("{at}/{key}"), found);
    }
    found.push(at);
}

/// A value that has no business to be where it is put.
fn nonsense(dice: &mut Dice, before: &Value) -> Value {
    let word = before.as_str().unwrap_or("word");
    match dice.below(13) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(-1),
        3 => json!(u64::MAX),
        4 => json!(1.5),
        5 => json!(format!("{word}x")),
        6 => json!(""),
        7 => json!("a\0b"),
        8 => json!("../../x".repeat(2000)),
        9 => json!([]),
        10 => json!({}),
        11 => json!([[[[[["deep"]]]]]]),
        _ => json!({"no": {"such": "thing"}}),
    }
}

/// The document with one thing changed, as text that need not be JSON any more.
fn mutated(dice: &mut Dice, base: &Value, places: &[String]) -> Vec<u8> {
    let mut config = base.clone();
    let mut text = match dice.below(8) {
        0 => {
            let place: &String = dice.one_of(places);
            let (parent, key) = place.rsplit_once('/').unwrap_or(("", ""));
            match config.pointer_mut(parent) {
                Some(Value::Object(members)) => drop(members.remove(&key.replace("~1", "/"))),
                Some(Value::Array(elements)) if !elements.is_empty() => {
                    let again = elements[dice.below(elements.len())].clone();
                    elements.push(again);
                }
                _ => {}
            }
            config.to_string().into_bytes()
        }
        1 => {
            let mut text = base.to_string().into_bytes();
            text.truncate(dice.below(text.len()));
            text
        }
        2 => {
            let mut text = base.to_string().into_bytes();
            let at = dice.below(text.len());
            text[at] = *dice.one_of(b"\0\xff{}[]\",:0a");
            text
        }
        _ => {
            let place: &String = dice.one_of(places);
            let place = config.pointer_mut(place).expect("a place of it");
            *place = nonsense(dice, place);
            config.to_string().into_bytes()
        }
    };
    // "root" may be gone, and with it the rootfs; everything else says where it is.
    text.push(b'\n');
    text
}

/// Whether a message says where: line and column, a path, or in runc's words the program or the terminal.
fn says_where(message: &str) -> bool {
    const SECTIONS: [&str; 9] = [
        "process",
        "root",
        "hostname",
        "domainname",
        "mounts",
        "linux",
        "annotations",
        "ociVersion",
        "hooks",
    ];
    let names = |section: &&str| {
        message.contains(&format!("{section}."))
            || message.contains(&format!("{section}:"))
            || message.contains(&format!("{section}["))
            || message.contains(&format!("{section}/"))
    };
    (message.contains("line ") && message.contains(" column "))
        || SECTIONS.iter().any(names)
        || message.contains("exec: \\\"")
        || message.contains("config.json: expected")
        || message.contains("cannot allocate tty")
}

fn refuse_many(seed: u64, base: &Value) -> (usize, usize) {
    let mut all = Vec::new();
    places(base, String::new(), &mut all);
    let mut dice = Dice(seed);
    let container = Bundle::new();
    let (mut refused, mut accepted) = (0, 0);
    while refused < QUARTER {
        let text = mutated(&mut dice, base, &all);
        fs::write(container.file("config.json"), &text).expect("config.json");
        // The created process must not keep the pipe that `finish` reads to its end.
        let output = container.command("create", &[]).private_mounts().spawn().detach().0;
        let text = String::from_utf8_lossy(&text).into_owned();
        if output.code == 0 {
            accepted += 1;
            container.command("delete", &["--force"]).finish().ok();
        } else {
            refused += 1;
            assert_eq!(output.code, 1, "{output} of {text}");
            assert!(!output.stderr.contains("panicked"), "{output} of {text}");
            assert_eq!(output.stderr.trim_end().lines().count(), 1, "{output} of {text}");
            assert!(says_where(&output.stderr), "{output} of {text}");
        }
        container.nothing_left();
    }
    (refused, accepted)
}

/// A quarter of the thousand: each in a process of its own, side by side.
fn quarter(seed: u64) {
    let (refused, accepted) = refuse_many(seed, &rich());
    println!("{refused} refused, {accepted} that were still right");
}

#[test]
fn first_quarter_of_a_thousand_malformed_configs_is_refused() {
    only_skeg!();
    need_root!();
    quarter(1);
}

#[test]
fn second_quarter_of_a_thousand_malformed_configs_is_refused() {
    only_skeg!();
    need_root!();
    quarter(2);
}

#[test]
fn third_quarter_of_a_thousand_malformed_configs_is_refused() {
    only_skeg!();
    need_root!();
    quarter(3);
}

#[test]
fn fourth_quarter_of_a_thousand_malformed_configs_is_refused() {
    only_skeg!();
    need_root!();
    quarter(4);
}
