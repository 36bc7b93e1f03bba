//! What is wrong with `linux.seccomp`, and where.

use oci_spec::runtime::Arch;
use thiserror::Error;

/// Why a profile can't be compiled. The text starts with the path of the value in config.json.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Error {
    /// `defaultAction` is `SCMP_ACT_NOTIFY`: the calls that hand the listener over would wait for the listener.
    #[error("linux.seccomp.defaultAction: SCMP_ACT_NOTIFY cannot be used as default action")]
    NotifyByDefault,

    /// `SCMP_ACT_NOTIFY` for write(2), as runc refuses it, or for sendmsg(2), by which the listener is handed over.
    #[error(
        "linux.seccomp.syscalls[{entry}].names[{name}]: SCMP_ACT_NOTIFY cannot be used for the {call} syscall"
    )]
    NotifyItself {
        /// Index in `syscalls`.
        entry: usize,
        /// Index in `names`.
        name: usize,
        /// `write` or `sendmsg`.
        call: &'static str,
    },

    /// A name of no characters.
    #[error("linux.seccomp.syscalls[{entry}].names[{name}]: empty string is not a valid syscall")]
    EmptyName {
        /// Index in `syscalls`.
        entry: usize,
        /// Index in `names`.
        name: usize,
    },

    /// A system call has six arguments.
    #[error("linux.seccomp.syscalls[{entry}].args[{arg}].index: {index}: must be at most 5")]
    Index {
        /// Index in `syscalls`.
        entry: usize,
        /// Index in `args`.
        arg: usize,
        /// The value found.
        index: usize,
    },

    /// `defaultErrnoRet` does not fit into the 16 bits that a filter's return value has for it.
    #[error("linux.seccomp.defaultErrnoRet: {value}: must be at most 65535")]
    DefaultErrno {
        /// The value found.
        value: u32,
    },

    /// `errnoRet` does not fit into the 16 bits that a filter's return value has for it.
    #[error("linux.seccomp.syscalls[{entry}].errnoRet: {value}: must be at most 65535")]
    Errno {
        /// Index in `syscalls`.
        entry: usize,
        /// The value found.
        value: u32,
    },

    /// The architecture that skeg runs on is one that profiles have no word for.
    #[error("linux.seccomp: {arch}, the host's architecture: no table of its system calls")]
    NoHostTable {
        /// The architecture.
        arch: Arch,
    },

    /// No process of this host can have that architecture, and one filter can't hold both byte orders.
    #[error("linux.seccomp.architectures[{entry}]: {arch}: has another byte order than the host ({host})")]
    ByteOrder {
        /// Index in `architectures`.
        entry: usize,
        /// The architecture.
        arch: Arch,
        /// The host's.
        host: Arch,
    },

    /// Two entries decide differently about the very same calls.
    #[error("linux.seccomp.syscalls[{entry}]: {name}: conflicts with syscalls[{earlier}]")]
    Conflict {
        /// Index in `syscalls` of the later one.
        entry: usize,
        /// Index in `syscalls` of the earlier one.
        earlier: usize,
        /// The system call.
        name: String,
    },

    /// The kernel takes no longer program (`BPF_MAXINSNS`).
    #[error("linux.seccomp.syscalls: {length} instructions: must be at most 4096")]
    TooLong {
        /// Instructions of the filter.
        length: usize,
    },
}
