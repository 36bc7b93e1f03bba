//! What a filter has to know of an architecture: how it is told apart, how wide its arguments are, and its numbers.

use oci_spec::runtime::Arch;

/// The bit that tells an x32 call from an x86_64 one: both have the same `AUDIT_ARCH_*`.
pub(super) const X32_BIT: u32 = 0x4000_0000;

/// The numbers of socketcall(2) and ipc(2), where the architecture has them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Multiplexers {
    pub(super) socketcall: u32,
    pub(super) ipc: u32,
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
}

/// Calls the visitor for every system call of an architecture.
type Table = fn(&mut dyn FnMut(&'static str, u32));

macro_rules! table {
    ($module:ident) => {
        |visit| {
            use syscalls::$module::Sysno;
            // Not Sysno::iter(): it leaves out the last one.
            for id in Sysno::first().id()..=Sysno::last().id() {
                if let Some(call) = Sysno::new(id as usize) {
                    visit(call.name(), id as u32);
                }
            }
        }
    };
}

/// Bits of `AUDIT_ARCH_*`.
const WIDE: u32 = 0x8000_0000;
const LITTLE_ENDIAN: u32 = 0x4000_0000;

impl Abi {
    /// The ABI of `arch`, which is not `SCMP_ARCH_NATIVE`. `None`: there is no table for it.
    pub(super) fn of(arch: Arch) -> Option<Self> {
        // The values of SCMP_ARCH_* are those of AUDIT_ARCH_*, but for x32, which the kernel calls x86_64.
        let token = arch as u32;
        let audit = if arch == Arch::ScmpArchX32 { Arch::ScmpArchX86_64 as u32 } else { token };
        let (table, multiplexers): (Table, _) = match arch {
            Arch::ScmpArchX86_64 => (table!(x86_64), None),
            Arch::ScmpArchX32 => (x32, None),
            Arch::ScmpArchX86 => (table!(x86), multiplexers(0)),
            Arch::ScmpArchAarch64 => (table!(aarch64), None),
            Arch::ScmpArchArm => (arm, None),
            Arch::ScmpArchMips | Arch::ScmpArchMipsel => (table!(mips), multiplexers(4000)),
            Arch::ScmpArchMips64 | Arch::ScmpArchMipsel64 => (table!(mips64), None),
            Arch::ScmpArchPpc => (table!(powerpc), multiplexers(0)),
            Arch::ScmpArchPpc64 | Arch::ScmpArchPpc64le => (table!(powerpc64), multiplexers(0)),
            Arch::ScmpArchS390x => (table!(s390x), multiplexers(0)),
            Arch::ScmpArchRiscv64 => (table!(riscv64), None),
            Arch::ScmpArchLoongarch64 => (table!(loongarch64), None),
            Arch::ScmpArchNative
            | Arch::ScmpArchMips64n32
            | Arch::ScmpArchMipsel64n32
            | Arch::ScmpArchS390
            | Arch::ScmpArchParisc
            | Arch::ScmpArchParisc64
            | Arch::ScmpArchM68k
            | Arch::ScmpArchSh
            | Arch::ScmpArchSheb => return None,
        };
        Some(Self {
            arch,
            audit,
            wide: token & WIDE != 0,
            big_endian: token & LITTLE_ENDIAN == 0,
            multiplexers,
            table,
        })
    }

    /// Calls `visit` with the name and the number of every system call.
    pub(super) fn each_call(&self, visit: &mut dyn FnMut(&'static str, u32)) {
        (self.table)(visit)
    }
}

/// socketcall(2) and ipc(2) have the same numbers everywhere, but for where the numbers start.
fn multiplexers(first: u32) -> Option<Multiplexers> {
    Some(Multiplexers { socketcall: first + 102, ipc: first + 117 })
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

fn arm(visit: &mut dyn FnMut(&'static str, u32)) {
    let table: Table = table!(arm);
    table(visit);
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

/// The calls of x86_64 that x32 does not have.
const X32_WITHOUT: [&str; 13] = [
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
    "map_shadow_stack",
    "uretprobe",
];

fn x32(visit: &mut dyn FnMut(&'static str, u32)) {
    let table: Table = table!(x86_64);
    table(&mut |name, number| {
        if !X32_OWN.contains(&name) && !X32_WITHOUT.contains(&name) {
            visit(name, X32_BIT | number);
        }
    });
    for (number, name) in (512..).zip(X32_OWN) {
        visit(name, X32_BIT | number);
    }
}
