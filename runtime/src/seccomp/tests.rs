//! Small profiles and their programs, what is refused, and the limits. Whether large profiles decide rightly is the
//! business of tests/seccomp_oracle.rs.

use oci_spec::runtime::{Arch, LinuxSeccomp};
use serde_json::{Value, json};

use super::interpreter::{Call, Instruction, decode, run};
use super::{Error, Filter, Host, compile};

const X86_64: u32 = 0xc000_003e;
const X86: u32 = 0x4000_0003;
const ALLOW: u32 = 0x7fff_0000;
const EPERM: u32 = 0x0005_0001;
const ENOSYS: u32 = 0x0005_0026;

fn profile(profile: Value) -> LinuxSeccomp {
    serde_json::from_value(profile).unwrap()
}

fn compiled(text: Value) -> Result<Filter, Error> {
    compile(&profile(text), &Host { arch: Arch::ScmpArchX86_64 })
}

fn program(text: Value) -> Vec<Instruction> {
    decode(&compiled(text).unwrap().program, cfg!(target_endian = "big"))
}

fn decides(program: &[Instruction], arch: u32, nr: u32, args: [u64; 6]) -> u32 {
    run(program, &Call { nr, arch, args }, false).unwrap().0
}

fn listing(program: &[Instruction]) -> String {
    let mut text = String::new();
    for (at, &Instruction { code, jt, jf, k }) in program.iter().enumerate() {
        let (yes, no) = (at + 1 + usize::from(jt), at + 1 + usize::from(jf));
        let line = match code {
            0x20 => format!("{at}: load {k}"),
            0x54 => format!("{at}: and {k:#x}"),
            0x05 => format!("{at}: go {}", at + 1 + k as usize),
            0x15 => format!("{at}: == {k:#x} ? {yes} : {no}"),
            0x25 => format!("{at}: > {k:#x} ? {yes} : {no}"),
            0x35 => format!("{at}: >= {k:#x} ? {yes} : {no}"),
            0x06 => format!("{at}: return {k:#x}"),
            _ => panic!("{code:#x}"),
        };
        text = text + &line + "\n";
    }
    text
}

#[test]
fn neighbours_become_one_range() {
    let program = program(json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{ "names": ["read", "write", "open", "lseek"], "action": "SCMP_ACT_ERRNO" }],
    }));
    let expected = "\
        0: load 4\n\
        1: == 0xc000003e ? 2 : 8\n\
        2: load 0\n\
        3: >= 0x3 ? 4 : 6\n\
        4: >= 0x40000000 ? 7 : 5\n\
        5: == 0x8 ? 6 : 9\n\
        6: return 0x50001\n\
        7: >= 0xffffffff ? 9 : 8\n\
        8: return 0x0\n\
        9: return 0x7fff0000\n";
    assert_eq!(listing(&program), expected);
}

#[test]
fn alternatives_on_one_argument_load_it_once_where_they_can() {
    let program = program(json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{
            "names": ["read"],
            "action": "SCMP_ACT_KILL_PROCESS",
            "args": [
                { "index": 0, "value": 0x1_0000_0007_u64, "op": "SCMP_CMP_EQ" },
                { "index": 0, "value": 0x1_0000_0002_u64, "op": "SCMP_CMP_LT" },
            ],
        }],
    }));
    let expected = "\
        0: load 4\n\
        1: == 0xc000003e ? 2 : 16\n\
        2: load 0\n\
        3: >= 0x40000000 ? 15 : 4\n\
        4: >= 0x1 ? 17 : 5\n\
        5: load 20\n\
        6: == 0x1 ? 7 : 10\n\
        7: load 16\n\
        8: == 0x7 ? 14 : 9\n\
        9: load 20\n\
        10: > 0x1 ? 17 : 11\n\
        11: == 0x1 ? 12 : 14\n\
        12: load 16\n\
        13: >= 0x2 ? 17 : 14\n\
        14: return 0x80000000\n\
        15: >= 0xffffffff ? 17 : 16\n\
        16: return 0x0\n\
        17: return 0x7fff0000\n";
    assert_eq!(listing(&program), expected);
}

#[test]
fn a_half_that_the_mask_leaves_out_is_not_loaded() {
    let program = program(json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": 38,
        "syscalls": [{
            "names": ["clone"],
            "action": "SCMP_ACT_ALLOW",
            "args": [{ "index": 0, "value": 0x7e02_0000, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ" }],
        }],
    }));
    let expected = "\
        0: load 4\n\
        1: == 0xc000003e ? 2 : 12\n\
        2: load 0\n\
        3: >= 0x40000000 ? 9 : 4\n\
        4: == 0x38 ? 5 : 13\n\
        5: load 16\n\
        6: and 0x7e020000\n\
        7: == 0x0 ? 8 : 13\n\
        8: return 0x7fff0000\n\
        9: >= 0xc0000000 ? 11 : 10\n\
        10: >= 0x80000000 ? 13 : 12\n\
        11: >= 0xffffffff ? 13 : 12\n\
        12: return 0x0\n\
        13: return 0x50026\n";
    assert_eq!(listing(&program), expected);
}

#[test]
fn calls_newer_than_the_profile_are_not_there() {
    let syscalls = json!([{ "names": ["read", "openat2"], "action": "SCMP_ACT_ALLOW" }]);
    let program = program(json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "architectures": ["SCMP_ARCH_X86"],
        "syscalls": syscalls,
    }));
    assert_eq!(decides(&program, X86_64, 0, [0; 6]), ALLOW);
    assert_eq!(decides(&program, X86_64, 436, [0; 6]), EPERM);
    assert_eq!(decides(&program, X86_64, 437, [0; 6]), ALLOW);
    assert_eq!(decides(&program, X86_64, 438, [0; 6]), ENOSYS);
    assert_eq!(decides(&program, X86, 3, [0; 6]), ALLOW);
    assert_eq!(decides(&program, X86, 438, [0; 6]), ENOSYS);
}

#[test]
fn calls_newer_than_a_permissive_profile_are_left_to_it() {
    for (action, value) in [("ALLOW", ALLOW), ("LOG", 0x7ffc_0000), ("TRACE", 0x7ff0_0001)] {
        let program = program(json!({
            "defaultAction": format!("SCMP_ACT_{action}"),
            "syscalls": [{ "names": ["read"], "action": "SCMP_ACT_KILL" }],
        }));
        assert_eq!(decides(&program, X86_64, 400, [0; 6]), value);
    }
}

/// Seen failing with `foreign` taken out of `Background::action`.
#[test]
fn x32_is_a_foreign_architecture_unless_the_profile_has_it() {
    let with = |archs: Value| {
        program(json!({
            "defaultAction": "SCMP_ACT_ERRNO",
            "architectures": archs,
            "syscalls": [{ "names": ["read", "ioctl", "openat2"], "action": "SCMP_ACT_ALLOW" }],
        }))
    };
    let (without, with) = (with(json!([])), with(json!(["SCMP_ARCH_X32"])));
    assert_eq!(decides(&without, X86_64, 0x4000_0000, [0; 6]), 0);
    assert_eq!(decides(&without, X86_64, u32::MAX, [0; 6]), EPERM, "a tracer skips the call");
    assert_eq!(decides(&with, X86_64, 0x4000_0000, [0; 6]), ALLOW);
    assert_eq!(decides(&with, X86_64, 0x4000_0000 + 16, [0; 6]), EPERM, "x86_64's ioctl");
    assert_eq!(decides(&with, X86_64, 0x4000_0000 + 514, [0; 6]), ALLOW, "x32's ioctl");
    assert_eq!(decides(&with, X86_64, 0x4000_0000 + 515, [0; 6]), ENOSYS);
}

#[test]
fn socket_also_comes_through_socketcall() {
    let program = program(json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "architectures": ["SCMP_ARCH_X86"],
        "syscalls": [{
            "names": ["socket"],
            "action": "SCMP_ACT_ALLOW",
            "args": [{ "index": 0, "value": 40, "op": "SCMP_CMP_NE" }],
        }],
    }));
    assert_eq!(decides(&program, X86, 359, [40, 0, 0, 0, 0, 0]), EPERM);
    assert_eq!(decides(&program, X86, 359, [2, 0, 0, 0, 0, 0]), ALLOW);
    assert_eq!(decides(&program, X86, 102, [1, 0, 0, 0, 0, 0]), ALLOW);
    assert_eq!(decides(&program, X86, 102, [2, 0, 0, 0, 0, 0]), EPERM);
}

#[test]
fn thirty_two_bit_architectures_compare_the_lower_half() {
    let program = program(json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": ["SCMP_ARCH_X86"],
        "syscalls": [{
            "names": ["personality"],
            "action": "SCMP_ACT_ERRNO",
            "args": [{ "index": 0, "value": 5, "op": "SCMP_CMP_EQ" }],
        }],
    }));
    let high = [0x1_0000_0005, 0, 0, 0, 0, 0];
    assert_eq!(decides(&program, X86, 136, high), EPERM);
    assert_eq!(decides(&program, X86_64, 135, high), ALLOW);
}

#[test]
fn a_rule_without_conditions_beats_those_with_some() {
    let conditional = json!({
        "names": ["read"],
        "action": "SCMP_ACT_KILL",
        "args": [{ "index": 0, "value": 5, "op": "SCMP_CMP_EQ" }],
    });
    let always = json!({ "names": ["read"], "action": "SCMP_ACT_ERRNO" });
    let later = json!({ "names": ["read"], "action": "SCMP_ACT_TRAP" });
    for syscalls in [[&conditional, &always, &later], [&always, &conditional, &later]] {
        let program = program(json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": syscalls }));
        assert_eq!(decides(&program, X86_64, 0, [5, 0, 0, 0, 0, 0]), EPERM);
    }
}

#[test]
fn the_narrower_bound_goes_first() {
    let rule = |op, value, action| {
        let args = json!([{ "index": 1, "value": value, "op": op }]);
        json!({ "names": ["read"], "action": action, "args": args })
    };
    let program = program(json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [
            rule("SCMP_CMP_GE", 10, "SCMP_ACT_ERRNO"),
            rule("SCMP_CMP_GE", 20, "SCMP_ACT_TRAP"),
            rule("SCMP_CMP_EQ", 30, "SCMP_ACT_KILL"),
        ],
    }));
    let with = |arg| decides(&program, X86_64, 0, [0, arg, 0, 0, 0, 0]);
    assert_eq!([with(9), with(10), with(20), with(30)], [ALLOW, EPERM, 0x0003_0000, 0]);
}

#[test]
fn flags() {
    let flags = |flags: Value, action: &str| {
        let filter = compiled(json!({
            "defaultAction": "SCMP_ACT_ALLOW",
            "flags": flags,
            "syscalls": [{ "names": ["mkdir"], "action": action }],
        }));
        let filter = filter.unwrap();
        (filter.flags, filter.listener)
    };
    let log = "SECCOMP_FILTER_FLAG_LOG";
    let all = json!([
        log,
        "SECCOMP_FILTER_FLAG_TSYNC",
        "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
        "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
    ]);
    assert_eq!(flags(Value::Null, "SCMP_ACT_ERRNO"), (0x4, false));
    assert_eq!(flags(json!([]), "SCMP_ACT_ERRNO"), (0, false));
    assert_eq!(flags(json!([log]), "SCMP_ACT_NOTIFY"), (0xa, true));
    assert_eq!(flags(all, "SCMP_ACT_NOTIFY"), (0x2e, true));
}

/// Seen failing with `Named::numbers` ending with those in a row.
#[test]
fn arms_private_calls_are_found_far_behind_the_others() {
    const ARM: u32 = 0x4000_0028;
    let program = program(json!({
        "defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_ARM"],
        "syscalls": [{ "names": ["read", "breakpoint", "get_tls"], "action": "SCMP_ACT_ALLOW" }],
    }));
    let decisions = [(3, ALLOW), (0xf0001, ALLOW), (0xf0002, EPERM), (0xf0006, ALLOW), (0xf0007, ENOSYS)];
    for (number, expected) in decisions {
        assert_eq!(decides(&program, ARM, number, [0; 6]), expected, "{number:#x}");
    }
}

#[test]
fn unknown_names_are_ignored() {
    let syscalls = json!([{ "names": ["no_such_call"], "action": "SCMP_ACT_KILL" }]);
    let empty = compiled(json!({ "defaultAction": "SCMP_ACT_ALLOW" }));
    assert_eq!(compiled(json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": syscalls })), empty);
}

#[test]
fn errors_name_the_place_in_the_profile() {
    let read = json!({ "names": ["read"], "action": "SCMP_ACT_ALLOW" });
    let cases = [
        (
            json!({ "defaultAction": "SCMP_ACT_NOTIFY" }),
            "defaultAction: SCMP_ACT_NOTIFY cannot be used as default action",
        ),
        (
            json!({ "syscalls": [read, { "names": ["read", "write"], "action": "SCMP_ACT_NOTIFY" }] }),
            "syscalls[1].names[1]: SCMP_ACT_NOTIFY cannot be used for the write syscall",
        ),
        (
            json!({ "syscalls": [{ "names": ["read", ""], "action": "SCMP_ACT_ALLOW" }] }),
            "syscalls[0].names[1]: empty string is not a valid syscall",
        ),
        (
            json!({ "syscalls": [read, read, read, {
                "names": ["read"],
                "action": "SCMP_ACT_ALLOW",
                "args": [{ "index": 7, "value": 0, "op": "SCMP_CMP_EQ" }],
            }] }),
            "syscalls[3].args[0].index: 7: must be at most 5",
        ),
        (json!({ "defaultErrnoRet": 65536 }), "defaultErrnoRet: 65536: must be at most 65535"),
        (
            json!({ "syscalls": [{ "names": ["read"], "action": "SCMP_ACT_TRACE", "errnoRet": 70000 }] }),
            "syscalls[0].errnoRet: 70000: must be at most 65535",
        ),
        (
            json!({ "architectures": ["SCMP_ARCH_S390X"] }),
            "architectures[0]: SCMP_ARCH_S390X: has another byte order than the host (SCMP_ARCH_X86_64)",
        ),
        (
            json!({ "syscalls": [
                { "names": ["read"], "action": "SCMP_ACT_ALLOW", "args": [{ "index": 0, "value": 1, "op": "SCMP_CMP_EQ" }] },
                { "names": ["read"], "action": "SCMP_ACT_KILL", "args": [{ "index": 0, "value": 1, "op": "SCMP_CMP_EQ" }] },
            ] }),
            "syscalls[1]: read: conflicts with syscalls[0]",
        ),
    ];
    for (mut text, expected) in cases {
        let default = json!("SCMP_ACT_ERRNO");
        text.as_object_mut().unwrap().entry("defaultAction").or_insert(default);
        let error = compiled(text).unwrap_err().to_string();
        assert_eq!(error, format!("linux.seccomp.{expected}"));
    }
}

#[test]
fn every_architecture_has_its_table() {
    let archs = crate::config::words::values::<Arch>().filter(|(_, arch)| *arch != Arch::ScmpArchNative);
    for (word, arch) in archs {
        let calls = super::calls(arch).unwrap();
        assert!(calls.len() > 280, "{word}: {} calls", calls.len());
        // What is newer than Linux 5.1 has the same place everywhere.
        let first = match arch {
            Arch::ScmpArchX32 => super::abi::X32_BIT,
            _ => calls.iter().map(|(_, number)| number / 1000 * 1000).min().unwrap(),
        };
        for (newer, number) in [("openat2", 437), ("cachestat", 451), ("file_setattr", 469), ("listns", 470)]
        {
            assert!(calls.contains(&(newer, first + number)), "{word}: {newer}");
        }
    }
}

/// A rule for each system call, no two alike.
fn large(conditions: usize) -> Value {
    let calls = super::calls(Arch::ScmpArchX86_64).unwrap();
    let rule = |(name, number): &(&str, u32)| {
        let arg = |index| json!({ "index": index, "value": number, "op": "SCMP_CMP_EQ" });
        let args: Vec<_> = (0..conditions).map(arg).collect();
        json!({ "names": [name], "action": "SCMP_ACT_ALLOW", "args": args })
    };
    json!({ "defaultAction": "SCMP_ACT_ERRNO", "syscalls": calls.iter().map(rule).collect::<Vec<_>>() })
}

#[test]
fn what_is_far_away_is_reached() {
    let program = program(large(2));
    assert!(program.len() > 8 * 255, "only {} instructions", program.len());
    for (name, nr) in super::calls(Arch::ScmpArchX86_64).unwrap() {
        let arg = u64::from(nr);
        assert_eq!(decides(&program, X86_64, nr, [arg, arg, 0, 0, 0, 0]), ALLOW, "{name}");
        assert_eq!(decides(&program, X86_64, nr, [arg, arg + 1, 0, 0, 0, 0]), EPERM, "{name}");
    }
}

#[test]
fn what_the_kernel_would_not_take_is_refused() {
    let error = compiled(large(3)).unwrap_err();
    assert!(matches!(error, Error::TooLong { length } if length > 4096), "{error}");
    assert!(error.to_string().ends_with(" instructions: must be at most 4096"), "{error}");
}
