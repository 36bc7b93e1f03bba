//! Holds the seccomp compiler against libseccomp: for each architecture, every system call and a sample of arguments,
//! the two filters, run in an interpreter, decide the same.
//!
//! The profiles in fixtures/seccomp are what the runtime is given for a container with default capabilities on amd64:
//! docker.json from moby/profiles (June 2026), podman.json from Debian 12's containers-common, containerd.json as
//! containerd 1.6.20 wrote it.

#[path = "seccomp_oracle/arguments.rs"]
mod arguments;
#[path = "../runtime/src/seccomp/interpreter.rs"]
mod interpreter;
#[path = "seccomp_oracle/libseccomp.rs"]
mod libseccomp;
#[path = "seccomp_oracle/model.rs"]
mod model;
#[path = "seccomp_oracle/random.rs"]
mod random;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use interpreter::Call;
use libseccomp::Libseccomp;
use oci_spec::runtime::{Arch, LinuxSeccomp, LinuxSeccompAction};
use random::Random;
use serde_json::json;
use skeg::seccomp::{self, Host};

const X32_BIT: u32 = 0x4000_0000;
const ENOSYS: u32 = 0x0005_0026;

/// Architectures that may stand in one filter, the host's first: by byte order, because a filter has only one.
const FAMILIES: [&[Arch]; 8] = [
    &[Arch::ScmpArchX86_64, Arch::ScmpArchX86, Arch::ScmpArchX32],
    &[Arch::ScmpArchX86_64],
    &[Arch::ScmpArchX86, Arch::ScmpArchX32],
    &[Arch::ScmpArchAarch64, Arch::ScmpArchArm],
    &[Arch::ScmpArchRiscv64, Arch::ScmpArchPpc64le, Arch::ScmpArchMipsel, Arch::ScmpArchMipsel64],
    &[Arch::ScmpArchPpc64, Arch::ScmpArchPpc],
    &[Arch::ScmpArchS390x],
    &[Arch::ScmpArchMips64, Arch::ScmpArchMips],
];

fn fixture(name: &str) -> LinuxSeccomp {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/seccomp").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// `AUDIT_ARCH_*`.
fn audit(arch: Arch) -> u32 {
    if arch == Arch::ScmpArchX32 { Arch::ScmpArchX86_64 as u32 } else { arch as u32 }
}

/// The names of a profile that both sides know, and their numbers on each architecture.
struct Names {
    numbers: BTreeMap<String, Vec<BTreeSet<u32>>>,
}

impl Names {
    /// Asks both sides. Who of them knows a name that the other does not know is younger: such names are left out.
    fn common(profile: &LinuxSeccomp, archs: &[Arch], oracle: &mut Libseccomp) -> Self {
        let ours: Vec<BTreeMap<_, _>> =
            archs.iter().map(|arch| seccomp::calls(*arch).unwrap().into_iter().collect()).collect();
        let asked: BTreeSet<String> =
            profile.syscalls().iter().flatten().flat_map(|call| call.names()).cloned().collect();
        let mut numbers = BTreeMap::new();
        for (name, theirs) in oracle.names(archs, asked) {
            let same = archs.iter().zip(&ours).zip(&theirs).all(|((arch, ours), theirs)| {
                let multiplexed = libseccomp::multiplexed(*arch, &name).is_some();
                multiplexed || ours.get(name.as_str()).copied() == u32::try_from(*theirs).ok()
            });
            if same {
                let all = archs.iter().zip(&ours).map(|(arch, ours)| {
                    let direct = ours.get(name.as_str()).copied();
                    let multiplexed = libseccomp::multiplexed(*arch, &name).map(|(number, _)| number);
                    direct.into_iter().chain(multiplexed).collect()
                });
                let all = all.collect();
                numbers.insert(name, all);
            }
        }
        Self { numbers }
    }

    /// The profile without the names that are left out.
    fn restrict(&self, profile: &LinuxSeccomp) -> LinuxSeccomp {
        let mut profile = profile.clone();
        let mut syscalls = profile.syscalls().clone().unwrap_or_default();
        for syscall in &mut syscalls {
            let names = syscall.names().iter().filter(|name| self.numbers.contains_key(*name)).cloned();
            syscall.set_names(names.collect());
        }
        profile.set_syscalls(Some(syscalls));
        profile
    }

    /// The highest number that stands for a name, on one architecture.
    fn highest(&self, arch: usize) -> Option<u32> {
        self.numbers.values().flat_map(|numbers| &numbers[arch]).max().copied()
    }
}

/// What runc puts before libseccomp's filter: `ENOSYS` for calls newer than the profile.
struct Stub {
    enabled: bool,
    highest: BTreeMap<(u32, bool), u32>,
}

impl Stub {
    fn new(profile: &LinuxSeccomp, archs: &[Arch], names: &Names) -> Self {
        let permissive = [
            LinuxSeccompAction::ScmpActAllow,
            LinuxSeccompAction::ScmpActLog,
            LinuxSeccompAction::ScmpActTrace,
        ];
        let highest = archs.iter().enumerate().filter_map(|(index, arch)| {
            Some(((audit(*arch), *arch == Arch::ScmpArchX32), names.highest(index)?))
        });
        Self { enabled: !permissive.contains(&profile.default_action()), highest: highest.collect() }
    }

    fn decides(&self, call: &Call) -> bool {
        let x86_64 = call.arch == Arch::ScmpArchX86_64 as u32;
        let Some(highest) = self.highest.get(&(call.arch, x86_64 && call.nr & X32_BIT != 0)) else {
            return false;
        };
        let s390x = call.arch == Arch::ScmpArchS390x as u32;
        self.enabled && (call.nr > *highest || (s390x && call.nr == 0))
    }
}

/// The numbers to try on an architecture: all that it has, what lies between and around them, and the odd ones.
fn numbers(arch: Arch) -> BTreeSet<u32> {
    let known: BTreeSet<u32> = seccomp::calls(arch).unwrap().into_iter().map(|(_, number)| number).collect();
    let around = known.iter().flat_map(|number| number.saturating_sub(1)..=number + 1);
    let newer =
        known.iter().filter(|number| !known.contains(&(*number + 1))).flat_map(|last| *last..last + 50);
    let odd = [0, 1, 100, 1000, X32_BIT - 1, X32_BIT, X32_BIT + 400, 0x7fff_ffff, 0x8000_0000, 0xc000_0000];
    around.chain(newer).chain(odd).chain([u32::MAX - 1, u32::MAX]).collect()
}

/// Compares the two filters of `profile`, for a host of the first architecture. How many calls were tried.
fn compare(profile: &LinuxSeccomp, archs: &[Arch], oracle: &mut Libseccomp) -> Result<usize, String> {
    let names = Names::common(profile, archs, oracle);
    let mut profile = names.restrict(profile);
    profile.set_architectures(Some(archs[1..].to_vec()));
    let big_endian = archs[0] as u32 & X32_BIT == 0;
    let theirs = oracle.compile(&profile, archs);
    let ours = seccomp::compile(&profile, &Host { arch: archs[0] });
    let (ours, theirs) = match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => (ours, theirs),
        (Err(_), Err(_)) => return Ok(0),
        // It can't merge the two rules.
        (Ok(_), Err(_)) => return Ok(0),
        (Err(ours), Ok(_)) => return Err(format!("ours fails: {ours}")),
    };
    let ours = interpreter::decode(&ours.program, cfg!(target_endian = "big"));
    let mut theirs = interpreter::decode(&theirs, big_endian);
    if big_endian {
        libseccomp::mend(&mut theirs, &profile);
    }
    let stub = Stub::new(&profile, archs, &names);
    let samples = arguments::samples(&profile);
    let mut tried = 0;
    for (index, arch) in archs.iter().enumerate() {
        let conditional = arguments::conditional(&profile, index, &names.numbers);
        let rules = model::rules(&profile, index, *arch, &names.numbers);
        for nr in numbers(*arch) {
            let samples = if conditional.contains(&nr) { &samples[..] } else { &samples[..2] };
            for args in samples {
                let call = Call { nr, arch: audit(*arch), args: *args };
                let ours = interpreter::run(&ours, &call, big_endian)?.0;
                let expected = match stub.decides(&call) {
                    true => ENOSYS,
                    false => interpreter::run(&theirs, &call, big_endian)?.0,
                };
                tried += 1;
                let agree = ours == expected || rules.get(&nr).is_some_and(|rules| rules.excuse(ours, args));
                if !agree {
                    return Err(format!("{arch} {call:x?}: ours {ours:#x}, libseccomp {expected:#x}"));
                }
            }
        }
    }
    let foreign = Call { nr: 0, arch: 0x1234, args: [0; 6] };
    match interpreter::run(&ours, &foreign, big_endian)?.0 {
        0 => Ok(tried),
        other => Err(format!("foreign architecture: {other:#x}")),
    }
}

fn compare_fixture(name: &str) {
    let Some(mut oracle) = Libseccomp::start() else { return };
    let profile = fixture(name);
    for archs in FAMILIES {
        let tried = compare(&profile, archs, &mut oracle).unwrap_or_else(|why| panic!("{archs:?}: {why}"));
        assert!(tried > 500, "{archs:?}: only {tried} calls tried");
    }
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

/// `SKEG_SECCOMP_PROFILES` says how many.
#[test]
fn random_profiles_decide_as_libseccomp() {
    let Some(mut oracle) = Libseccomp::start() else { return };
    let count = std::env::var("SKEG_SECCOMP_PROFILES").map_or(60, |count| count.parse().unwrap());
    let mut compared = 0;
    for seed in 0..count {
        let archs = FAMILIES[seed as usize % FAMILIES.len()];
        let profile = Random::new(seed).profile(archs[0]);
        match compare(&profile, archs, &mut oracle) {
            Ok(tried) => compared += u64::from(tried > 0),
            Err(_) => {
                let profile = shrink(profile, |profile| compare(profile, archs, &mut oracle).is_err());
                let why = compare(&profile, archs, &mut oracle).unwrap_err();
                panic!("seed {seed}, {archs:?}: {why}\n{}", serde_json::to_string(&profile).unwrap());
            }
        }
    }
    // The rest contradict themselves, and both sides say so.
    assert!(compared * 4 >= count * 3, "only {compared} of {count} profiles compared");
    println!("{compared} of {count} profiles compared");
}

/// A name that only one side knows for an architecture is a rule that silently does nothing there.
#[test]
fn tables_agree() {
    let Some(mut oracle) = Libseccomp::start() else { return };
    let ours: Vec<(Arch, BTreeMap<&str, u32>)> = FAMILIES
        .into_iter()
        .flatten()
        .map(|arch| (*arch, seccomp::calls(*arch).unwrap().into_iter().collect()))
        .collect();
    let mut wrong = Vec::new();
    for (arch, calls) in &ours {
        let names: BTreeSet<String> = oracle.calls(*arch).into_iter().collect();
        let names = names.into_iter().chain(calls.keys().map(|name| (*name).to_owned()));
        for (name, theirs) in oracle.names(&[*arch], names.collect::<BTreeSet<_>>()) {
            // It does not know the name at all: the name is newer.
            const UNKNOWN: i32 = -1;
            let ours = calls.get(name.as_str()).copied();
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
