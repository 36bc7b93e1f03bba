//! What a filter has to know of an architecture: how it is told apart, how wide its arguments are, and its numbers.

use oci_spec::runtime::Arch;

use super::name::{Name, hash};

/// The bit that tells an x32 call from an x86_64 one: both have the same `AUDIT_ARCH_*`.
pub(super) const X32_BIT: u32 = 0x4000_0000;

/// The numbers of socketcall(2) and ipc(2), where the architecture has them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Multiplexers {
    pub(super) socketcall: u32,
    pub(super) ipc: u32,
}

impl Multiplexers {
    /// Whether this is the number of one of them.
    pub(super) fn has(&self, number: u32) -> bool {
        number == self.socketcall || number == self.ipc
    }
}

/// An architecture as a filter sees it.
#[derive(Clone, Copy)]
pub(super) struct Abi {
    pub(super) arch: Arch,
    /// `AUDIT_ARCH_*` of linux/audit.h: `seccomp_data.arch`.
    pub(super) audit: u32,
    /// All 64 bits of an argument count, not only the lower 32.
    pub(super) wide: bool,
    pub(super) big_endian: bool,
    pub(super) multiplexers: Option<Multiplexers>,
    table: Table,
    /// Where the numbers start.
    first: u32,
}

/// Called with the name and the number of every system call of an architecture.
type Visit<'a> = &'a mut dyn FnMut(Name<'static>, u32);

type Table = fn(Visit<'_>);

/// The names of consecutive numbers, one after the other, each behind its length and its hash.
///
/// A table of `&str` would need a relocation for each name of each architecture, at every start of the program.
struct Names {
    first: u32,
    packed: &'static [u8],
}

/// Bytes before a name.
const HEAD: usize = 1 + size_of::<u32>();

impl Names {
    fn each(&self, visit: Visit<'_>) {
        let (mut number, mut rest) = (self.first, self.packed);
        while let Some((&[length, ref hash @ ..], others)) = rest.split_first_chunk::<HEAD>()
            && let Some((name, others)) = others.split_at_checked(usize::from(length))
        {
            if !name.is_empty() {
                visit(Name::hashed(name, u32::from_ne_bytes(*hash)), number);
            }
            (number, rest) = (number + 1, others);
        }
    }
}

/// The table of the `syscalls` crate, packed by the compiler.
macro_rules! names {
    ($module:ident) => {{
        use syscalls::$module::Sysno;

        // Not Sysno::iter(): it leaves out the last one.
        const FIRST: usize = Sysno::first().id() as usize;
        const END: usize = Sysno::last().id() as usize + 1;

        const fn name(id: usize) -> &'static [u8] {
            match Sysno::new(id) {
                Some(call) => match call.name().as_bytes() {
                    // `break` is a keyword in Rust.
                    [b'r', b'#', name @ ..] => name,
                    name => name,
                },
                None => &[],
            }
        }

        const LENGTH: usize = {
            let (mut length, mut id) = (0, FIRST);
            while id < END {
                length += HEAD + name(id).len();
                id += 1;
            }
            length
        };

        static PACKED: [u8; LENGTH] = {
            let (mut packed, mut at, mut id) = ([0; LENGTH], 0, FIRST);
            while id < END {
                let name = name(id);
                let hash = hash(name).to_ne_bytes();
                packed[at] = name.len() as u8;
                let mut byte = 0;
                while byte < HEAD - 1 + name.len() {
                    packed[at + 1 + byte] =
                        if byte < hash.len() { hash[byte] } else { name[byte - hash.len()] };
                    byte += 1;
                }
                at += 1 + byte;
                id += 1;
            }
            packed
        };
        Names { first: FIRST as u32, packed: &PACKED }
    }};
}

/// A table as it is.
macro_rules! table {
    ($module:ident) => {
        |visit| names!($module).each(visit)
    };
}

/// A table that the crate does not have: tables/NAME.txt has the names of consecutive numbers, a line each, and `-` where
/// there is none, as the architecture's syscall.tbl in the kernel's sources.
macro_rules! text {
    ($name:literal) => {
        |visit| each_line(include_str!(concat!("tables/", $name, ".txt")), 0, visit)
    };
}

fn each_line(names: &'static str, first: u32, visit: Visit<'_>) {
    for (number, name) in (first..).zip(names.lines()).filter(|(_, name)| *name != "-") {
        visit(Name::new(name.as_bytes()), number);
    }
}

/// Where the numbers of n32 start.
const MIPS_N32: u32 = 6000;

/// The calls that are newer than the tables. All architectures have them at the same place.
const NEWER: [(&str, u32); 2] = [("listns", 470), ("rseq_slice_yield", 471)];

/// Bits of `AUDIT_ARCH_*`.
const WIDE: u32 = 0x8000_0000;
const LITTLE_ENDIAN: u32 = 0x4000_0000;

impl Abi {
    /// The ABI of `arch`. `None` for `SCMP_ARCH_NATIVE`, which is any.
    pub(super) fn of(arch: Arch) -> Option<Self> {
        // The values of SCMP_ARCH_* are those of AUDIT_ARCH_*, but for x32, which the kernel calls x86_64.
        let token = arch as u32;
        let audit = if arch == Arch::ScmpArchX32 { Arch::ScmpArchX86_64 as u32 } else { token };
        let first = match arch {
            Arch::ScmpArchX32 => X32_BIT,
            Arch::ScmpArchMips | Arch::ScmpArchMipsel => 4000,
            Arch::ScmpArchMips64 | Arch::ScmpArchMipsel64 => 5000,
            Arch::ScmpArchMips64n32 | Arch::ScmpArchMipsel64n32 => MIPS_N32,
            _ => 0,
        };
        // socketcall(2) and ipc(2) stand at the same place wherever they are.
        let multiplexers = Some(Multiplexers { socketcall: first + 102, ipc: first + 117 });
        let (table, multiplexers): (Table, _) = match arch {
            Arch::ScmpArchX86_64 => (x86_64, None),
            Arch::ScmpArchX32 => (x32, None),
            Arch::ScmpArchX86 => (table!(x86), multiplexers),
            Arch::ScmpArchAarch64 => (aarch64, None),
            Arch::ScmpArchArm => (arm, None),
            Arch::ScmpArchMips | Arch::ScmpArchMipsel => (table!(mips), multiplexers),
            Arch::ScmpArchMips64 | Arch::ScmpArchMipsel64 => (mips64, None),
            Arch::ScmpArchPpc => (table!(powerpc), multiplexers),
            Arch::ScmpArchPpc64 | Arch::ScmpArchPpc64le => (table!(powerpc64), multiplexers),
            Arch::ScmpArchS390x => (table!(s390x), multiplexers),
            Arch::ScmpArchRiscv64 => (table!(riscv64), None),
            Arch::ScmpArchLoongarch64 => (loongarch64, None),
            Arch::ScmpArchMips64n32 | Arch::ScmpArchMipsel64n32 => (mips_n32, None),
            Arch::ScmpArchS390 => (text!("s390"), multiplexers),
            Arch::ScmpArchParisc => (text!("parisc"), None),
            Arch::ScmpArchParisc64 => (parisc64, None),
            Arch::ScmpArchM68k => (text!("m68k"), multiplexers),
            Arch::ScmpArchSh | Arch::ScmpArchSheb => (text!("sh"), multiplexers),
            Arch::ScmpArchNative => return None,
        };
        Some(Self {
            arch,
            audit,
            // Registers of n32 have 64 bits, and its arguments are 32 bits wide.
            wide: token & WIDE != 0 && first != MIPS_N32,
            big_endian: token & LITTLE_ENDIAN == 0,
            multiplexers,
            table,
            first,
        })
    }

    /// Calls `visit` with the name and the number of every system call.
    pub(super) fn each_call(&self, visit: Visit<'_>) {
        (self.table)(visit);
        for (name, number) in NEWER {
            visit(Name::new(name.as_bytes()), self.first + number);
        }
    }
}

/// What the crate's tables of aarch64 and loongarch64 get wrong: there newfstatat(2) has the name that 32-bit
/// architectures give it, and the calls with 64-bit time that only those have are there.
fn generic64(names: Names, visit: Visit<'_>) {
    names.each(&mut |name, number| match (name.bytes, number) {
        (b"fstatat", _) => visit(Name::new(b"newfstatat"), number),
        (_, 403..=423) => {}
        _ => visit(name, number),
    });
}

fn aarch64(visit: Visit<'_>) {
    generic64(names!(aarch64), visit);
}

/// The youngest of the generic architectures was born without what these have newer calls for, and has no secret memory.
fn loongarch64(visit: Visit<'_>) {
    generic64(names!(loongarch64), &mut |name, number| match name.bytes {
        b"renameat" | b"getrlimit" | b"setrlimit" | b"memfd_secret" => {}
        _ => visit(name, number),
    });
}

fn mips_n32(visit: Visit<'_>) {
    each_line(include_str!("tables/mips_n32.txt"), MIPS_N32, visit);
}

/// Without the calls with 64-bit time, which only 32-bit architectures have beside others.
fn parisc64(visit: Visit<'_>) {
    text!("parisc")(&mut |name, number| {
        if !matches!(number, 403..=423) {
            visit(name, number);
        }
    });
}

fn mips64(visit: Visit<'_>) {
    names!(mips64).each(visit);
    // Missing in the crate's table.
    visit(Name::new(b"set_mempolicy_home_node"), 5450);
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
    names!(arm).each(visit);
    for (name, number) in ARM_PRIVATE {
        visit(Name::new(name.as_bytes()), number);
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

/// The numbers of x86_64 that x32 does not share: those of the calls above, and of calls that it does not have.
fn x86_64_only(number: u32) -> bool {
    matches!(
        number,
        13 | 15..=16 // rt_sigaction, rt_sigreturn, ioctl
            | 19..=20 // readv, writev
            | 45..=47 // recvfrom, sendmsg, recvmsg
            | 54..=55 // setsockopt, getsockopt
            | 59 // execve
            | 101 // ptrace
            | 127..=129 // rt_sigpending, rt_sigtimedwait, rt_sigqueueinfo
            | 131 // sigaltstack
            | 134 // uselib
            | 156 // _sysctl
            | 174 // create_module
            | 177..=178 // get_kernel_syms, query_module
            | 180 // nfsservctl
            | 205..=206 // set_thread_area, io_setup
            | 209 // io_submit
            | 211 // get_thread_area
            | 214..=215 // epoll_ctl_old, epoll_wait_old
            | 222 // timer_create
            | 236 // vserver
            | 244 // mq_notify
            | 246..=247 // kexec_load, waitid
            | 273..=274 // set_robust_list, get_robust_list
            | 278..=279 // vmsplice, move_pages
            | 295..=297 // preadv, pwritev, rt_tgsigqueueinfo
            | 299 // recvmmsg
            | 307 // sendmmsg
            | 310..=311 // process_vm_readv, process_vm_writev
            | 322 // execveat
            | 327..=328 // preadv2, pwritev2
            | 335 // uretprobe
            | 453 // map_shadow_stack
    )
}

fn x86_64(visit: Visit<'_>) {
    names!(x86_64).each(visit);
}

fn x32(visit: Visit<'_>) {
    x86_64(&mut |name, number| {
        if let Some(number) = x32_number(number) {
            visit(name, number);
        }
    });
    each_x32_own(visit);
}

/// The number that a call of x86_64 has for x32, if it is the same call.
pub(super) fn x32_number(x86_64: u32) -> Option<u32> {
    (!x86_64_only(x86_64)).then_some(X32_BIT | x86_64)
}

/// The calls that x32 has for itself.
pub(super) fn each_x32_own(visit: Visit<'_>) {
    for (number, name) in (512..).zip(X32_OWN) {
        visit(Name::new(name.as_bytes()), X32_BIT | number);
    }
}
