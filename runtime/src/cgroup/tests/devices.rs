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
    let mut registers = [0_u32; 6];
    let mut at = 0;
    loop {
        let [op, regs, low, high, value @ ..] = code[at].to_le_bytes();
        let (dst, src) = (usize::from(regs & 15), usize::from(regs >> 4));
        let offset = i16::from_le_bytes([low, high]);
        let value = u32::from_le_bytes(value);
        let jump = match op {
            0x61 => {
                registers[dst] = context[usize::try_from(offset).expect("offset") / 4];
                false
            }
            0xbc => {
                registers[dst] = registers[src];
                false
            }
            0xb4 => {
                registers[dst] = value;
                false
            }
            0x54 => {
                registers[dst] &= value;
                false
            }
            0x74 => {
                registers[dst] >>= value;
                false
            }
            0x56 => registers[dst] != value,
            0x46 => registers[dst] & value != 0,
            0x05 => true,
            0x95 => return registers[0] == 1,
            other => panic!("instruction {other:#x}"),
        };
        at += 1;
        if jump {
            at += usize::try_from(offset).expect("only forwards");
        }
    }
}

const RW: fn() -> Access = || Access::READ.and(Access::WRITE);

#[test]
fn default_program_lets_null_through_and_no_disk() {
    let code = program(&checked(DENY_ALL));
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
    let code = program(&checked(&format!(
        r#"{DENY_ALL},{{"allow":true,"type":"b","major":8,"access":"rw"}},
           {{"allow":false,"type":"b","major":8,"minor":0,"access":"w"}},
           {{"allow":true,"type":"c","major":4294967295,"access":"r"}},
           {{"allow":true,"type":"c","major":4294967295,"minor":1,"access":"w"}}"#
    )));
    assert!(run(&code, BLOCK, SDA, Access::READ));
    assert!(!run(&code, BLOCK, SDA, Access::WRITE));
    assert!(!run(&code, BLOCK, SDA, RW()), "half of it is denied");
    assert!(run(&code, BLOCK, (8, 1), RW()));
    assert!(run(&code, CHAR, (u32::MAX, 1), RW()), "two rules together allow it");
    assert!(!run(&code, CHAR, (u32::MAX, 2), RW()));
}

#[test]
fn denied_devices_of_allow_all() {
    let code = program(&checked(&format!(
        r#"{ALLOW_ALL},{{"allow":false,"type":"b","major":8,"minor":0,"access":"w"}},
           {{"allow":false,"type":"a","major":9,"access":"r"}}"#
    )));
    assert!(run(&code, BLOCK, (7, 7), RW()));
    assert!(run(&code, BLOCK, SDA, Access::READ));
    assert!(!run(&code, BLOCK, SDA, RW()));
    assert!(!run(&code, BLOCK, (9, 1), Access::READ), "type a with a number is both kinds");
    assert!(!run(&code, CHAR, (9, 1), Access::READ));
    assert!(run(&code, CHAR, (9, 1), Access::WRITE));
}

#[test]
fn the_kernel_takes_the_programs() {
    if !super::live::is_root("bpf(2)") {
        return;
    }
    let device = |minor: usize| {
        let access = ["r", "w", "rw", "m", "rwm"][minor % 5];
        format!(r#"{{"allow":{},"type":"c","major":7,"minor":{minor},"access":"{access}"}}"#, minor % 2 == 0)
    };
    let many: Vec<_> = (0..500).map(device).collect();
    for devices in [DENY_ALL, ALLOW_ALL, &many.join(",")] {
        sys::prog_load(&program(&checked(devices))).expect("loaded");
    }
}
