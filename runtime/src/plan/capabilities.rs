//! The one table of capabilities (capabilities(7)).

use oci_spec::runtime::{Capabilities, Capability};

/// The numbers for the plan, and the list for `features`: a capability that the parser knows and this does not have does
/// not compile.
macro_rules! table {
    ($($name:ident = $number:literal,)*) => {
        /// All capabilities, by number.
        pub const CAPABILITIES: &[Capability] = &[$(Capability::$name),*];

        fn number(capability: Capability) -> u32 {
            match capability {
                $(Capability::$name => $number,)*
            }
        }
    };
}

table! {
    Chown = 0,
    DacOverride = 1,
    DacReadSearch = 2,
    Fowner = 3,
    Fsetid = 4,
    Kill = 5,
    Setgid = 6,
    Setuid = 7,
    Setpcap = 8,
    LinuxImmutable = 9,
    NetBindService = 10,
    NetBroadcast = 11,
    NetAdmin = 12,
    NetRaw = 13,
    IpcLock = 14,
    IpcOwner = 15,
    SysModule = 16,
    SysRawio = 17,
    SysChroot = 18,
    SysPtrace = 19,
    SysPacct = 20,
    SysAdmin = 21,
    SysBoot = 22,
    SysNice = 23,
    SysResource = 24,
    SysTime = 25,
    SysTtyConfig = 26,
    Mknod = 27,
    Lease = 28,
    AuditWrite = 29,
    AuditControl = 30,
    Setfcap = 31,
    MacOverride = 32,
    MacAdmin = 33,
    Syslog = 34,
    WakeAlarm = 35,
    BlockSuspend = 36,
    AuditRead = 37,
    Perfmon = 38,
    Bpf = 39,
    CheckpointRestore = 40,
}

/// Whether a capability is among the kernel's bits.
pub(super) fn has(mask: u64, capability: Capability) -> bool {
    mask & 1 << number(capability) != 0
}

/// A set of capabilities as the kernel's bits.
pub(super) fn mask(set: &Capabilities) -> u64 {
    set.iter().fold(0, |mask, capability| mask | 1 << number(*capability))
}
