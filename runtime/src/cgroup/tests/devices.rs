//! Device rules: what v1 is told, and what the BPF program decides.

use super::resources;
use crate::cgroup::devices::{Access, Rule, allows_all, changes, program, rules};
use crate::cgroup::sys;

const NULL: (u32, u32) = (1, 3);
const SDA: (u32, u32) = (8, 0);
const CHAR: u32 = 2;
const BLOCK: u32 = 1;

fn checked(devices: &str) -> Vec<Rule> {
    let resources = resources(&format!(r#"{{"devices":[{devices}]}}"#));
    rules(resources.devices().as_deref().unwrap_or_default()).expect("rules")
}

fn v1(devices: &str) -> Vec<String> {
    let line = |change: &crate::cgroup::devices::Change| {
        format!("{} {}", if change.allow { "allow" } else { "deny" }, change.text)
    };
    changes(&checked(devices)).expect("changes").iter().map(line).collect()
}

const DENY_ALL: &str = r#"{"allow":false,"access":"rwm"}"#;
const ALLOW_ALL: &str = r#"{"allow":true,"access":"rwm"}"#;

#[test]
fn default_config_denies_all_but_what_every_container_may() {
    let expected = [
        "deny a *:* rwm",
        "allow b *:* m",
        "allow c *:* m",
        "allow c 1:3 rwm",
        "allow c 1:5 rwm",
        "allow c 1:7 rwm",
        "allow c 1:8 rwm",
        "allow c 1:9 rwm",
        "allow c 5:0 rwm",
        "allow c 5:2 rwm",
        "allow c 10:200 rwm",
        "allow c 136:* rwm",
    ];
    assert_eq!(v1(DENY_ALL), expected);
    assert_eq!(v1(""), expected, "without rules the access is denied");
}

#[test]
fn allowing_all_voids_what_was_before() {
    let devices = format!(r#"{{"allow":false,"type":"c","major":1,"minor":3,"access":"r"}},{ALLOW_ALL}"#);
    assert_eq!(v1(&devices), ["allow a *:* rwm"]);
    assert!(allows_all(&checked(&devices)));
    assert!(!allows_all(&checked(DENY_ALL)));
    assert!(!allows_all(&checked("")));
}

#[test]
fn denied_devices_are_the_exceptions_of_allow_all() {
    let devices = format!(r#"{ALLOW_ALL},{{"allow":false,"type":"b","major":8,"minor":0,"access":"rw"}}"#);
    assert_eq!(v1(&devices), ["allow a *:* rwm", "deny b 8:0 rw"]);
}

#[test]
fn a_wider_deny_takes_the_narrower_allow_with_it() {
    let devices = format!(
        r#"{DENY_ALL},{{"allow":true,"type":"b","major":8,"minor":0,"access":"rw"}},
           {{"allow":false,"type":"b","major":8,"access":"w"}}"#
    );
    assert!(v1(&devices).contains(&"allow b 8:0 r".to_owned()));
}

#[test]
fn a_hole_in_a_wildcard_is_refused_on_v1() {
    for hole in [r#""major":8,"minor":0"#, r#""minor":0"#] {
        let devices = format!(
            r#"{DENY_ALL},{{"allow":true,"type":"b","major":8,"access":"rw"}},
               {{"allow":false,"type":"b",{hole},"access":"w"}}"#
        );
        let error = changes(&checked(&devices)).expect_err("hole").to_string();
        assert!(error.contains("cannot punch hole in existing wildcard rule b 8:* rw"), "{error}");
    }
}

#[test]
fn rules_without_sense_name_their_place() {
    let refused = |device: &str| {
        let resources = resources(&format!(r#"{{"devices":[{DENY_ALL},{device}]}}"#));
        rules(resources.devices().as_deref().unwrap_or_default()).expect_err("refused").to_string()
    };
    assert_eq!(
        refused(r#"{"allow":true}"#),
        "linux.resources.devices[1].access: device access cannot be empty"
    );
    assert_eq!(
        refused(r#"{"allow":true,"access":"rx"}"#),
        r#"linux.resources.devices[1].access: unknown device access "rx""#
    );
    assert_eq!(
        refused(r#"{"allow":true,"access":"r","type":"c","major":4294967296}"#),
        "linux.resources.devices[1].major: invalid device number 4294967296"
    );
}

/// Runs a program as the kernel's BPF machine would, for the instructions that ours are made of.
fn run(code: &[u64], kind: u32, (major, minor): (u32, u32), access: Access) -> bool {
    let context = [(access.bits() << 16) | kind, major, minor];
    let mut registers = [0_u64; 7];
    let mut at = 0;
    loop {
        let [op, regs, low, high, value @ ..] = code[at].to_le_bytes();
        let (dst, src) = (usize::from(regs & 15), usize::from(regs >> 4));
        let offset = usize::try_from(i16::from_le_bytes([low, high])).expect("only forwards");
        let value = u32::from_le_bytes(value);
        let (a, b) = (registers[dst], registers[src]);
        let word = a as u32;
        at += 1;
        let jump = match op {
            0x1d => a == b,
            0x5d => a != b,
            0x16 => word == value,
            0x56 => word != value,
            0x46 => word & value != 0,
            0x95 => return registers[0] == 1,
            _ => false,
        };
        if jump {
            at += offset;
        }
        registers[dst] = match op {
            0x61 => u64::from(context[offset / 4]),
            0x18 => {
                at += 1;
                (code[at - 1] & !0xffff_ffff) | u64::from(value)
            }
            0xbf => b,
            0xb4 => u64::from(value),
            0x54 => u64::from(word & value),
            0x74 => u64::from(word >> value),
            0x67 => a << value,
            0x4f => a | b,
            0x1d | 0x5d | 0x16 | 0x56 | 0x46 => a,
            other => panic!("instruction {other:#x}"),
        };
    }
}

/// The program of these rules.
fn compiled(devices: &str) -> Vec<u64> {
    program(&checked(devices)).expect("not too many")
}

const RW: fn() -> Access = || Access::READ.and(Access::WRITE);

#[test]
fn default_program_lets_null_through_and_no_disk() {
    let code = compiled(DENY_ALL);
    assert!(run(&code, CHAR, NULL, RW()));
    assert!(run(&code, CHAR, (136, 7), RW()));
    assert!(run(&code, BLOCK, SDA, Access::MKNOD));
    assert!(!run(&code, BLOCK, SDA, Access::READ));
    assert!(!run(&code, BLOCK, SDA, RW()));
    assert!(!run(&code, BLOCK, NULL, Access::READ), "a block device with null's numbers");
    assert!(!run(&code, CHAR, (1, 1), Access::READ), "mem");
}

#[test]
fn the_last_rule_decides_each_access() {
    let code = compiled(&format!(
        r#"{DENY_ALL},{{"allow":true,"type":"b","major":8,"access":"rw"}},
           {{"allow":false,"type":"b","major":8,"minor":0,"access":"w"}},
           {{"allow":true,"type":"c","major":4294967295,"access":"r"}},
           {{"allow":true,"type":"c","major":4294967295,"minor":1,"access":"w"}}"#
    ));
    assert!(run(&code, BLOCK, SDA, Access::READ));
    assert!(!run(&code, BLOCK, SDA, Access::WRITE));
    assert!(!run(&code, BLOCK, SDA, RW()), "half of it is denied");
    assert!(run(&code, BLOCK, (8, 1), RW()));
    assert!(run(&code, CHAR, (u32::MAX, 1), RW()), "two rules together allow it");
    assert!(!run(&code, CHAR, (u32::MAX, 2), RW()));
}

#[test]
fn denied_devices_of_allow_all() {
    let code = compiled(&format!(
        r#"{ALLOW_ALL},{{"allow":false,"type":"b","major":8,"minor":0,"access":"w"}},
           {{"allow":false,"type":"a","major":9,"access":"r"}}"#
    ));
    assert!(run(&code, BLOCK, (7, 7), RW()));
    assert!(run(&code, BLOCK, SDA, Access::READ));
    assert!(!run(&code, BLOCK, SDA, RW()));
    assert!(!run(&code, BLOCK, (9, 1), Access::READ), "type a with a number is both kinds");
    assert!(!run(&code, CHAR, (9, 1), Access::READ));
    assert!(run(&code, CHAR, (9, 1), Access::WRITE));
}

#[test]
fn the_kernel_takes_the_programs() {
    if !super::host::is_root("bpf(2)") {
        return;
    }
    let device = |minor: usize| {
        let access = ["r", "w", "rw", "m", "rwm"][minor % 5];
        format!(
            r#"{{"allow":{},"type":"c","major":7,"minor":{minor},"access":"{access}"}}"#,
            minor.is_multiple_of(2)
        )
    };
    let many: Vec<_> = (0..100).map(device).collect();
    // Behind a rule about all character devices earlier ones would be dead code.
    let dead = r#"{"allow":true,"type":"c","major":1,"access":"r"},{"allow":true,"type":"c","access":"rwm"}"#;
    for devices in [DENY_ALL, ALLOW_ALL, &many.join(","), dead] {
        sys::prog_load(&compiled(devices)).expect("loaded");
    }
}

#[test]
fn a_program_too_long_for_its_jumps_is_none() {
    let rule = r#"{"allow":true,"type":"c","major":7,"minor":1,"access":"r"}"#;
    assert!(program(&checked(&vec![rule; 10_000].join(","))).is_none());
    assert!(program(&checked(&vec![rule; 5_000].join(","))).is_some());
}

/// For any rules, device and access: the program decides what the rules say, read from the last to the first.
#[test]
fn program_and_rules_agree() {
    use crate::cgroup::devices::{Kind, Nodes};
    use proptest::prelude::*;
    let number = || prop_oneof![Just(None), (0..3_u32).prop_map(Some), Just(Some(u32::MAX))];
    let kind = || prop_oneof![Just(Kind::Block), Just(Kind::Char)];
    let some = (any::<bool>(), kind(), number(), number(), 1..8_u32).prop_map(
        |(allow, kind, major, minor, bits)| Rule::Some {
            allow,
            nodes: Nodes { kind, major, minor },
            access: Access::from_bits(bits),
        },
    );
    let rule = prop_oneof![1 => any::<bool>().prop_map(|allow| Rule::All { allow }), 9 => some];
    let input = (prop::collection::vec(rule, 0..12), kind(), 0..3_u32, 0..3_u32, 0..8_u32);
    proptest!(|((rules, kind, major, minor, bits) in input)| {
        let decides = |bit: u32| rules.iter().rev().find_map(|rule| match *rule {
            Rule::All { allow } => Some(allow),
            Rule::Some { allow, nodes, access } => (nodes.kind == kind
                && nodes.major.is_none_or(|number| number == major)
                && nodes.minor.is_none_or(|number| number == minor)
                && access.bits() & bit != 0).then_some(allow),
        }).unwrap_or(false);
        prop_assume!(bits != 0);
        let expected = [1, 2, 4].into_iter().filter(|bit| bits & bit != 0).all(decides);
        let code = program(&rules).expect("not too many");
        let number = if kind == Kind::Block { BLOCK } else { CHAR };
        prop_assert_eq!(run(&code, number, (major, minor), Access::from_bits(bits)), expected);
    });
}
