//! Compiles `linux.seccomp` into the program that seccomp(2) loads.
//!
//! profile -> rules -> per architecture: number -> decision -> ranges of numbers with the same outcome
//! -> a binary tree over the numbers, with the arguments' rules as leaves -> BPF.
//!
//! Why a tree: when a filter is loaded, the kernel runs it once for every number it has, to find out which calls are
//! always allowed (since Linux 5.11). Why not libseccomp: of Docker's profile it makes four times as many instructions,
//! which take more than twice as long to load, and it does not know the system calls that are newer than itself.
//!
//! What the filter decides is what runc's decides, which is libseccomp's filter behind a stub that answers `ENOSYS` to
//! calls that are newer than the profile. The oracle test in tests/seccomp_oracle.rs holds the two together. Where they
//! differ:
//! - when the newest call of the profile is looked for, runc overlooks the names that also come through socketcall(2)
//!   and ipc(2), so that a `socket` may be allowed and not be there;
//! - several rules with conditions on one call: libseccomp merges them into one tree, loses parts of some, and may
//!   compare one argument with the value meant for another. Here each rule means what it says; decision.rs has the order.
//!
//! A filter can't have architectures of both byte orders: libseccomp refuses that as well.
//!
//! No I/O here.

mod abi;
mod calls;
mod decision;
mod emit;
mod error;
mod hash;
#[cfg(test)]
mod interpreter;
mod program;
mod ranges;
mod rules;
#[cfg(test)]
mod tests;

use oci_spec::runtime::{Arch, LinuxSeccomp, LinuxSeccompFilterFlag};

use self::abi::Abi;
use self::calls::Syscall;
use self::emit::Emitter;
pub use self::error::Error;
use self::ranges::{Outcomes, Section};
use self::rules::Profile;

// linux/seccomp.h: SECCOMP_FILTER_FLAG_*.
const FLAG_LOG: u32 = 1 << 1;
const FLAG_SPEC_ALLOW: u32 = 1 << 2;
pub(crate) const FLAG_NEW_LISTENER: u32 = 1 << 3;
pub(crate) const FLAG_WAIT_KILLABLE_RECV: u32 = 1 << 5;

/// Which compiler this is: another one may make another filter of the same profile. build.rs hashes what it consists of.
pub(crate) const COMPILER: [u8; 16] = compiler();

/// The longest program that seccomp(2) loads, in bytes.
pub(crate) const MAX_PROGRAM: usize = program::MAX_INSTRUCTIONS * 8;

const fn compiler() -> [u8; 16] {
    match env!("SKEG_SECCOMP_COMPILER").as_bytes().first_chunk() {
        Some(name) => *name,
        None => panic!("build.rs gives it sixteen digits"),
    }
}

/// What the compiler has to know of the machine that will load the filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Host {
    /// Its architecture, which every filter includes. Not `SCMP_ARCH_NATIVE`.
    pub arch: Arch,
}

impl Host {
    /// The architecture that this program was compiled for.
    pub const fn native() -> Self {
        #[cfg(target_arch = "x86_64")]
        let arch = Arch::ScmpArchX86_64;
        #[cfg(target_arch = "aarch64")]
        let arch = Arch::ScmpArchAarch64;
        Self { arch }
    }
}

/// A compiled profile: the arguments of seccomp(2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// The array of `struct sock_filter`, native endian: at most 4096 of 8 bytes.
    pub program: Vec<u8>,
    /// `SECCOMP_FILTER_FLAG_*`.
    pub flags: u32,
    /// Whether seccomp(2) returns the file descriptor of a listener.
    pub listener: bool,
}

/// Compiles a profile for `host`.
///
/// Names that no architecture of the profile has are ignored. Fails, with the place in config.json, on values that mean
/// nothing and on what a filter can't express.
pub fn compile(seccomp: &LinuxSeccomp, host: &Host) -> Result<Filter, Error> {
    let profile = Profile::new(seccomp)?;
    let sections = sections(seccomp, host)?;
    let big_endian = sections.first().is_some_and(|section| section.abis.iter().any(|abi| abi.big_endian));
    let mut outcomes = Outcomes::default();
    let ranges = ranges::ranges(&profile, &sections, &mut outcomes)?;
    let ranges: Vec<_> = sections.iter().map(|section| section.audit).zip(ranges).collect();
    let program = Emitter::new(profile.default_action, big_endian, &outcomes).emit(&ranges);
    if program.len() > program::MAX_INSTRUCTIONS {
        return Err(Error::TooLong { length: program.len() });
    }
    let listener = profile.listener;
    // How to wait for a listener's answer is a question only where there is one.
    let (with, without) = if listener { (FLAG_NEW_LISTENER, 0) } else { (0, FLAG_WAIT_KILLABLE_RECV) };
    let flags = (flags(seccomp) | with) & !without;
    Ok(Filter { program: program.to_bytes(), flags, listener })
}

/// The system calls known for an architecture, with their numbers. `None` for `SCMP_ARCH_NATIVE`.
pub fn calls(arch: Arch) -> Option<Vec<(&'static str, u32)>> {
    let abi = Abi::of(arch)?;
    let known = Syscall::all().filter_map(|call| Some((call.name(), abi.numbers.of(call)?)));
    Some(known.collect())
}

/// The architectures of the profile, the host's first. It is always among them, as with libseccomp and runc.
fn sections(seccomp: &LinuxSeccomp, host: &Host) -> Result<Vec<Section>, Error> {
    let native = Abi::of(host.arch).ok_or(Error::NoHostTable { arch: host.arch })?;
    let mut sections = vec![Section { audit: native.audit, abis: vec![native] }];
    for (entry, &arch) in seccomp.architectures().iter().flatten().enumerate() {
        // `SCMP_ARCH_NATIVE` is the host's, which is there already.
        let Some(abi) = Abi::of(arch) else { continue };
        if abi.big_endian != native.big_endian {
            return Err(Error::ByteOrder { entry, arch, host: host.arch });
        }
        match sections.iter_mut().find(|section| section.audit == abi.audit) {
            Some(section) if section.abis.iter().any(|other| other.arch == arch) => {}
            Some(section) => {
                section.abis.push(abi);
                section.abis.sort_by_key(|abi| abi.numbers.first);
            }
            None => sections.push(Section { audit: abi.audit, abis: vec![abi] }),
        }
    }
    Ok(sections)
}

fn flags(seccomp: &LinuxSeccomp) -> u32 {
    let Some(flags) = seccomp.flags() else { return FLAG_SPEC_ALLOW };
    flags.iter().fold(0, |all, named| all | flag(*named))
}

/// SECCOMP_FILTER_FLAG_* as the kernel gets it.
pub(crate) fn flag(named: LinuxSeccompFilterFlag) -> u32 {
    match named {
        LinuxSeccompFilterFlag::SeccompFilterFlagLog => FLAG_LOG,
        // The process has one thread when the filter is loaded.
        LinuxSeccompFilterFlag::SeccompFilterFlagTsync => 0,
        LinuxSeccompFilterFlag::SeccompFilterFlagSpecAllow => FLAG_SPEC_ALLOW,
        LinuxSeccompFilterFlag::SeccompFilterFlagWaitKillableRecv => FLAG_WAIT_KILLABLE_RECV,
    }
}
