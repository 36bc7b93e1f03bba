//! For build.rs: the system calls of all architectures as one table of names, and for each ABI a column of numbers.
//!
//! A profile's name is looked up once, whatever architectures it is for, and of a column only what is asked for is read.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

#[path = "src/seccomp/hash.rs"]
mod hash;

/// Called with the name and the number of every system call of an ABI.
type Visit<'a> = &'a mut dyn FnMut(&str, u32);

/// The bit that tells an x32 call from an x86_64 one.
const X32_BIT: u32 = 0x4000_0000;
/// Where the numbers of MIPS start.
const MIPS: u32 = 4000;
const MIPS64: u32 = 5000;
const MIPS_N32: u32 = 6000;

/// The name of the column, where the numbers start, and the calls.
type Abi = (&'static str, u32, fn(Visit<'_>));

const ABIS: [Abi; 18] = [
    ("X86_64", 0, x86_64),
    ("X86", 0, x86),
    ("X32", X32_BIT, x32),
    ("AARCH64", 0, aarch64),
    ("ARM", 0, arm),
    ("MIPS", MIPS, mips),
    ("MIPS64", MIPS64, mips64),
    ("MIPS_N32", MIPS_N32, mips_n32),
    ("POWERPC", 0, powerpc),
    ("POWERPC64", 0, powerpc64),
    ("S390X", 0, s390x),
    ("S390", 0, s390),
    ("RISCV64", 0, riscv64),
    ("LOONGARCH64", 0, loongarch64),
    ("PARISC", 0, parisc),
    ("PARISC64", 0, parisc64),
    ("M68K", 0, m68k),
    ("SH", 0, sh),
];

/// The calls that are newer than the tables. All architectures have them at the same place.
const NEWER: [(&str, u32); 2] = [("listns", 470), ("rseq_slice_yield", 471)];

/// Rust source: the names, a hash table of them, and the columns.
pub fn source() -> String {
    let mut names: Vec<String> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    let mut columns: Vec<BTreeMap<usize, u32>> = Vec::new();
    for (abi, first, each) in ABIS {
        let mut column = BTreeMap::new();
        let mut numbers = BTreeMap::new();
        let mut add = |name: &str, number: u32| {
            let call = *known.entry(name.to_owned()).or_insert_with(|| {
                names.push(name.to_owned());
                names.len() - 1
            });
            assert_eq!(column.insert(call, number), None, "{abi} has {name} twice");
            assert_eq!(numbers.insert(number, call), None, "{abi} has {number} twice");
        };
        each(&mut add);
        for (name, number) in NEWER {
            add(name, first + number);
        }
        columns.push(column);
    }
    let mut begins = vec![0];
    for name in &names {
        begins.push(begins.last().copied().unwrap_or(0) + name.len());
    }
    let mut text = String::new();
    let mut line = |args: std::fmt::Arguments<'_>| text.write_fmt(args).expect("there is memory");
    line(format_args!("/// How many names there are.\npub(super) const CALLS: usize = {};\n", names.len()));
    line(format_args!("static NAMES: &[u8] = {:?}.as_bytes();\n", names.concat()));
    line(format_args!("static BEGINS: [u16; CALLS + 1] = {begins:?};\n"));
    let slots = slots(&names);
    line(format_args!("static SLOTS: [u16; {}] = {slots:?};\n", slots.len()));
    for ((abi, first, _), column) in ABIS.iter().zip(&columns) {
        let numbers: Vec<u32> =
            (0..names.len()).map(|call| column.get(&call).copied().unwrap_or(u32::MAX)).collect();
        line(format_args!(
            "pub(super) static {abi}: Numbers = Numbers {{ first: {first}, by_call: {numbers:?} }};\n"
        ));
    }
    text
}

/// Open addressing, at most half full: one more than a name's place at its hash or behind it; 0 where there is none.
fn slots(names: &[String]) -> Vec<u16> {
    let mut slots = vec![0; (2 * names.len()).next_power_of_two()];
    for (call, name) in (1..).zip(names) {
        let mut at = hash::hash(name.as_bytes()) as usize % slots.len();
        while slots[at] != 0 {
            at = (at + 1) % slots.len();
        }
        slots[at] = call;
    }
    slots
}

/// A table of the `syscalls` crate.
macro_rules! table {
    ($abi:ident) => {
        pub(super) fn $abi(visit: Visit<'_>) {
            use syscalls::$abi::Sysno;
            // Not Sysno::iter(): it leaves out the last one.
            for call in (Sysno::first().id()..=Sysno::last().id()).filter_map(|id| Sysno::new(id as usize)) {
                // `break` is a keyword in Rust.
                visit(call.name().trim_start_matches("r#"), call.id() as u32);
            }
        }
    };
}

/// A table that the crate does not have: syscall_tables/NAME.txt has the names of consecutive numbers, a line each, and
/// `-` where there is none, as the architecture's syscall.tbl in the kernel's sources.
macro_rules! text {
    ($abi:ident, $first:expr) => {
        fn $abi(visit: Visit<'_>) {
            let names = include_str!(concat!("syscall_tables/", stringify!($abi), ".txt"));
            for (number, name) in ($first..).zip(names.lines()).filter(|(_, name)| *name != "-") {
                visit(name, number);
            }
        }
    };
}

table!(x86_64);
table!(x86);
table!(mips);
table!(powerpc);
table!(powerpc64);
table!(s390x);
table!(riscv64);
text!(mips_n32, MIPS_N32);
text!(s390, 0);
text!(parisc, 0);
text!(m68k, 0);
text!(sh, 0);

/// The crate's own, before what is wrong with them.
mod crates {
    use super::Visit;
    table!(aarch64);
    table!(loongarch64);
    table!(mips64);
    table!(arm);
}

/// What the crate's tables of aarch64 and loongarch64 get wrong: there newfstatat(2) has the name that 32-bit
/// architectures give it, and the calls with 64-bit time that only those have are there.
fn generic64(names: fn(Visit<'_>), visit: Visit<'_>) {
    names(&mut |name, number| match (name, number) {
        ("fstatat", _) => visit("newfstatat", number),
        (_, 403..=423) => {}
        _ => visit(name, number),
    });
}

fn aarch64(visit: Visit<'_>) {
    generic64(crates::aarch64, visit);
}

/// The youngest of the generic architectures was born without what these have newer calls for, and has no secret memory.
fn loongarch64(visit: Visit<'_>) {
    generic64(crates::loongarch64, &mut |name, number| match name {
        "renameat" | "getrlimit" | "setrlimit" | "memfd_secret" => {}
        _ => visit(name, number),
    });
}

/// Without the calls with 64-bit time, which only 32-bit architectures have beside others.
fn parisc64(visit: Visit<'_>) {
    parisc(&mut |name, number| {
        if !matches!(number, 403..=423) {
            visit(name, number);
        }
    });
}

fn mips64(visit: Visit<'_>) {
    crates::mips64(visit);
    // Missing in the crate's table.
    visit("set_mempolicy_home_node", 5450);
}

/// The calls of arch/arm/include/uapi/asm/unistd.h that stand beside the table.
const ARM_PRIVATE: [(&str, u32); 6] = [
    ("breakpoint", 0xf0001),
    ("cacheflush", 0xf0002),
    ("usr26", 0xf0003),
    ("usr32", 0xf0004),
    ("set_tls", 0xf0005),
    ("get_tls", 0xf0006),
];

fn arm(visit: Visit<'_>) {
    crates::arm(visit);
    for (name, number) in ARM_PRIVATE {
        visit(name, number);
    }
}

/// The calls whose arguments look different for x32: they have numbers of their own, from 512 on
/// (arch/x86/entry/syscalls/syscall_64.tbl).
const X32_OWN: [&str; 36] = [
    "rt_sigaction",
    "rt_sigreturn",
    "ioctl",
    "readv",
    "writev",
    "recvfrom",
    "sendmsg",
    "recvmsg",
    "execve",
    "ptrace",
    "rt_sigpending",
    "rt_sigtimedwait",
    "rt_sigqueueinfo",
    "sigaltstack",
    "timer_create",
    "mq_notify",
    "kexec_load",
    "waitid",
    "set_robust_list",
    "get_robust_list",
    "vmsplice",
    "move_pages",
    "preadv",
    "pwritev",
    "rt_tgsigqueueinfo",
    "recvmmsg",
    "sendmmsg",
    "process_vm_readv",
    "process_vm_writev",
    "setsockopt",
    "getsockopt",
    "io_setup",
    "io_submit",
    "execveat",
    "preadv2",
    "pwritev2",
];

/// The calls of x86_64 that x32 does not have at all.
const X32_LACKS: [&str; 13] = [
    "uselib",
    "_sysctl",
    "create_module",
    "get_kernel_syms",
    "query_module",
    "nfsservctl",
    "set_thread_area",
    "get_thread_area",
    "epoll_ctl_old",
    "epoll_wait_old",
    "vserver",
    "uretprobe",
    "map_shadow_stack",
];

fn x32(visit: Visit<'_>) {
    x86_64(&mut |name, number| {
        if !X32_OWN.contains(&name) && !X32_LACKS.contains(&name) {
            visit(name, X32_BIT | number);
        }
    });
    for (number, name) in (512..).zip(X32_OWN) {
        visit(name, X32_BIT | number);
    }
}
