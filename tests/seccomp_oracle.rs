//! Holds the seccomp compiler against libseccomp: for each architecture, every system call and a sample of arguments,
//! the two filters, run in an interpreter, decide the same.
//!
//! A model of the rules says the same of each call, and is all that there is for what the installed libseccomp does not
//! know: LD_LIBRARY_PATH may lead to another one. Each test prints how many calls were compared with whom.
//!
//! The profiles in fixtures/seccomp are what the runtime is given for a container with default capabilities on amd64:
//! docker.json from moby/profiles (June 2026), podman.json from Debian 12's containers-common, containerd.json as
//! containerd 1.6.20 wrote it.

#[path = "seccomp_oracle/arguments.rs"]
mod arguments;
#[path = "seccomp_oracle/compare.rs"]
mod compare;
#[path = "../runtime/src/seccomp/interpreter.rs"]
mod interpreter;
#[path = "seccomp_oracle/libseccomp.rs"]
mod libseccomp;
#[path = "seccomp_oracle/model.rs"]
mod model;
#[path = "seccomp_oracle/names.rs"]
mod names;
#[path = "seccomp_oracle/random.rs"]
mod random;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use compare::{Tally, compare};
use interpreter::Call;
use libseccomp::Libseccomp;
use oci_spec::runtime::{Arch, LinuxSeccomp};
use random::Random;
use serde_json::json;
use skeg::seccomp::{self, Host};

const X32_BIT: u32 = 0x4000_0000;

/// Architectures that may stand in one filter, the host's first: by byte order, because a filter has only one.
const FAMILIES: [&[Arch]; 13] = [
    &[Arch::ScmpArchX86_64, Arch::ScmpArchX86, Arch::ScmpArchX32],
    &[Arch::ScmpArchX86_64],
    &[Arch::ScmpArchX86, Arch::ScmpArchX32],
    &[Arch::ScmpArchAarch64, Arch::ScmpArchArm],
    // Alone: random profiles have the names of the first, and only arm has calls far from the others.
    &[Arch::ScmpArchArm],
    &[Arch::ScmpArchRiscv64, Arch::ScmpArchPpc64le],
    &[Arch::ScmpArchMipsel64, Arch::ScmpArchMipsel64n32, Arch::ScmpArchMipsel],
    &[Arch::ScmpArchPpc64, Arch::ScmpArchPpc],
    &[Arch::ScmpArchS390x, Arch::ScmpArchS390],
    &[Arch::ScmpArchMips64, Arch::ScmpArchMips, Arch::ScmpArchMips64n32],
    &[Arch::ScmpArchParisc64, Arch::ScmpArchParisc],
    // Those that libseccomp has known since 2.6.
    &[Arch::ScmpArchLoongarch64, Arch::ScmpArchSh],
    &[Arch::ScmpArchM68k, Arch::ScmpArchSheb],
];

/// All that there are, which is all that the specification has.
fn architectures() -> BTreeMap<u32, Arch> {
    FAMILIES.into_iter().flatten().map(|arch| (*arch as u32, *arch)).collect()
}

fn fixture(name: &str) -> LinuxSeccomp {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/seccomp").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// `AUDIT_ARCH_*`.
fn audit(arch: Arch) -> u32 {
    if arch == Arch::ScmpArchX32 { Arch::ScmpArchX86_64 as u32 } else { arch as u32 }
}

fn compare_fixture(name: &str) {
    let Some(mut oracle) = Libseccomp::start() else { return };
    let profile = fixture(name);
    let mut all = Tally::default();
    for archs in FAMILIES {
        let tally = compare(&profile, archs, &mut oracle).unwrap_or_else(|why| panic!("{archs:?}: {why}"));
        let compared = !archs.iter().all(|arch| oracle.knows(*arch)) || tally.compared == 1;
        assert!(compared, "{archs:?}: {tally}");
        all += tally;
    }
    println!("{name}, {} architectures: {all}", architectures().len());
}

#[test]
fn docker_default_decides_as_libseccomp() {
    compare_fixture("docker.json");
}

#[test]
fn podman_default_decides_as_libseccomp() {
    compare_fixture("podman.json");
}

#[test]
fn containerd_default_decides_as_libseccomp() {
    compare_fixture("containerd.json");
}

/// What the kernel runs when it loads a filter: each number of the host's two architectures once.
fn cost(program: &[u8], newest: u32) -> usize {
    let program = interpreter::decode(program, false);
    let archs = [Arch::ScmpArchX86_64, Arch::ScmpArchX86];
    let calls = archs.into_iter().flat_map(|arch| (0..=newest).map(move |nr| (arch, nr)));
    calls
        .map(|(arch, nr)| interpreter::run(&program, &Call { nr, arch: audit(arch), args: [0; 6] }, false))
        .map(|run| run.unwrap().1)
        .sum()
}

/// Prints what the two filters of Docker's profile cost.
#[test]
fn docker_default_costs_less_than_libseccomps() {
    let Some(mut oracle) = Libseccomp::start() else { return };
    let profile = fixture("docker.json");
    let archs = FAMILIES[0];
    let theirs = oracle.compile(&profile, archs).unwrap();
    let ours = seccomp::compile(&profile, &Host { arch: archs[0] }).unwrap().program;
    let (our_cost, their_cost) = (cost(&ours, 470), cost(&theirs, 470));
    println!("instructions: {}, libseccomp {}", ours.len() / 8, theirs.len() / 8);
    println!("instructions run by loading it: {our_cost}, libseccomp {their_cost}");
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let files = [directory.join("seccomp-ours.bpf"), directory.join("seccomp-libseccomp.bpf")];
    std::fs::write(&files[0], &ours).unwrap();
    std::fs::write(&files[1], &theirs).unwrap();
    let load = Command::new(libseccomp::build("load").unwrap()).args(&files).output().unwrap();
    println!("microseconds to load, ours and libseccomp's: {}", String::from_utf8_lossy(&load.stdout));
    assert!(load.status.success(), "{}", String::from_utf8_lossy(&load.stderr));
    assert!(ours.len() * 2 < theirs.len());
    assert!(our_cost < their_cost);
}

/// The profile without what is not needed for it to fail.
fn shrink(mut profile: LinuxSeccomp, mut fails: impl FnMut(&LinuxSeccomp) -> bool) -> LinuxSeccomp {
    let mut at = 0;
    while let Some(syscalls) = profile.syscalls().clone().filter(|syscalls| at < syscalls.len()) {
        let mut shorter = profile.clone();
        let (before, after) = (syscalls[..at].to_vec(), syscalls[at + 1..].to_vec());
        shorter.set_syscalls(Some([before, after].concat()));
        if fails(&shorter) { profile = shorter } else { at += 1 }
    }
    profile
}

/// Where rules overlap and libseccomp merges them well, the same one wins.
#[test]
fn the_same_one_of_overlapping_rules_wins() {
    let Some(mut oracle) = Libseccomp::start() else { return };
    let overlaps = [
        [(0, "EQ", 7), (1, "EQ", 7), (2, "EQ", 7)],
        [(0, "GE", 5), (0, "GE", 7), (0, "EQ", 7)],
        [(0, "LE", 9), (0, "LT", 8), (0, "GE", 6)],
        [(3, "NE", 1), (0, "GT", 6), (2, "EQ", 7)],
    ];
    for (overlap, turn) in overlaps.into_iter().flat_map(|overlap| (0..3).map(move |turn| (overlap, turn))) {
        let mut rules: Vec<_> = overlap
            .into_iter()
            .zip(["ERRNO", "TRAP", "KILL_PROCESS"])
            .map(|((index, op, value), action)| {
                let args = json!([{ "index": index, "value": value, "op": format!("SCMP_CMP_{op}") }]);
                json!({ "names": ["read"], "action": format!("SCMP_ACT_{action}"), "args": args })
            })
            .collect();
        rules.rotate_left(turn);
        let profile = json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules });
        let profile: LinuxSeccomp = serde_json::from_value(profile).unwrap();
        let archs = [Arch::ScmpArchX86_64];
        let theirs = interpreter::decode(&oracle.compile(&profile, &archs).unwrap(), false);
        let ours = seccomp::compile(&profile, &Host { arch: archs[0] }).unwrap();
        let ours = interpreter::decode(&ours.program, false);
        let call = Call { nr: 0, arch: audit(archs[0]), args: [7; 6] };
        let decided = |program| interpreter::run(program, &call, false).unwrap().0;
        assert_eq!(decided(&ours), decided(&theirs), "{overlap:?}, rotated by {turn}");
    }
}

/// Docker follows the kernel closely: a name that none of our tables has is a call that we don't know yet.
#[test]
fn docker_default_names_no_call_that_we_do_not_know() {
    let known: BTreeSet<&str> = FAMILIES
        .into_iter()
        .flatten()
        .flat_map(|arch| seccomp::calls(*arch).unwrap())
        .map(|(name, _)| name)
        .collect();
    let profile = fixture("docker.json");
    let names = profile.syscalls().iter().flatten().flat_map(|call| call.names());
    let unknown: Vec<_> = names.filter(|name| !known.contains(name.as_str())).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

/// Compares one share of the profiles; `SKEG_SECCOMP_PROFILES` says how many there are in all.
fn compare_random(first: u64) {
    let Some(mut oracle) = Libseccomp::start() else { return };
    let count = std::env::var("SKEG_SECCOMP_PROFILES").map_or(800, |count| count.parse().unwrap());
    let mut all = Tally::default();
    for seed in (first..count).step_by(SHARES) {
        // Not by the remainder, which is the same for all of a share.
        let archs = FAMILIES[(seed as usize / SHARES + seed as usize) % FAMILIES.len()];
        let profile = Random::new(seed).profile(archs[0]);
        match compare(&profile, archs, &mut oracle) {
            Ok(tally) => all += tally,
            Err(_) => {
                let profile = shrink(profile, |profile| compare(profile, archs, &mut oracle).is_err());
                let why = compare(&profile, archs, &mut oracle).err().unwrap();
                panic!("seed {seed}, {archs:?}: {why}\n{}", serde_json::to_string(&profile).unwrap());
            }
        }
    }
    println!("{all}");
    assert!(all.most_are_compared(), "too few profiles compared");
}

/// The random profiles are shared among tests, which run beside each other.
const SHARES: usize = 4;

#[test]
fn random_profiles_decide_as_libseccomp_first_share() {
    compare_random(0);
}

#[test]
fn random_profiles_decide_as_libseccomp_second_share() {
    compare_random(1);
}

#[test]
fn random_profiles_decide_as_libseccomp_third_share() {
    compare_random(2);
}

#[test]
fn random_profiles_decide_as_libseccomp_fourth_share() {
    compare_random(3);
}

/// A name that only one side knows for an architecture is a rule that silently does nothing there.
#[test]
fn tables_agree() {
    let Some(mut oracle) = Libseccomp::start() else { return };
    let ours: Vec<(Arch, BTreeMap<&str, u32>)> = architectures()
        .into_values()
        .filter(|arch| oracle.knows(*arch))
        .map(|arch| (arch, seccomp::calls(arch).unwrap().into_iter().collect()))
        .collect();
    // Only x86_64 has them (arch/x86/entry/syscalls/syscall_64.tbl), whatever libseccomp 2.6 says.
    let not_of_x32 = ["map_shadow_stack", "uretprobe"];
    let mut wrong = Vec::new();
    for (arch, calls) in &ours {
        let names: BTreeSet<String> = oracle.calls(*arch).into_iter().collect();
        let names = names.into_iter().chain(calls.keys().map(|name| (*name).to_owned()));
        for (name, theirs) in oracle.names(&[*arch], names.collect::<BTreeSet<_>>()) {
            // It does not know the name at all: the name is newer.
            const UNKNOWN: i32 = -1;
            let ours = calls.get(name.as_str()).copied();
            if *arch == Arch::ScmpArchX32 && not_of_x32.contains(&name.as_str()) {
                continue;
            }
            if theirs[0] != UNKNOWN
                && u32::try_from(theirs[0]).ok() != ours
                && libseccomp::multiplexed(*arch, &name).is_none()
            {
                wrong.push(format!("{arch} {name}: {} in libseccomp, not {ours:?}", theirs[0]));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
