//! A failure as it crosses the fork: numbers only. The runtime made the plan, so it writes the sentence.

macro_rules! numbers {
    ($(#[$doc:meta])* $name:ident { $( $(#[$vdoc:meta])* $variant:ident = $number:literal $text:literal, )* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u32)]
        pub enum $name { $( $(#[$vdoc])* $variant = $number, )* }

        impl $name {
            /// The value of a number that crossed the wire.
            pub fn from_code(code: u32) -> Option<Self> {
                match code {
                    $( $number => Some(Self::$variant), )*
                    _ => None,
                }
            }

            /// The words for a person.
            pub fn text(self) -> &'static str {
                match self { $( Self::$variant => $text, )* }
            }
        }
    };
}

numbers! {
    /// The part of the boot order in which something failed.
    Stage {
        /// Reading and checking the stream.
        Input = 1 "read the plan",
        /// What needs the host's privileges.
        Host = 2 "prepare",
        /// Joining namespaces.
        Join = 3 "join namespaces",
        /// clone3 and the first process.
        Clone = 4 "create namespaces",
        /// The user namespace's mapping.
        UserMap = 5 "map users",
        /// The other namespaces.
        Unshare = 6 "create namespaces",
        /// The steps before READY.
        Setup = 7 "set up",
        /// The steps after READY.
        Start = 8 "start",
    }
}

numbers! {
    /// The operation that failed within a step.
    Op {
        /// The stream is malformed; `detail` is a `DecodeError`.
        Decode = 1 "decode",
        /// read(2).
        Read = 2 "read",
        /// write(2).
        Write = 3 "write",
        /// mmap(2).
        Map = 4 "mmap",
        /// Opening the thing that the step works on.
        Open = 5 "open",
        /// Opening the target inside the root.
        OpenTarget = 6 "open target",
        /// Creating the target inside the root.
        CreateTarget = 7 "create target",
        /// Opening the source.
        OpenSource = 8 "open source",
        /// setns(2); `detail` is the position in NS_PATHS.
        Setns = 9 "setns",
        /// clone3(2).
        Clone = 10 "clone3",
        /// unshare(2); `detail` holds the CLONE_NEW* flag.
        Unshare = 11 "unshare",
        /// fsopen(2).
        Fsopen = 12 "fsopen",
        /// fsconfig(2) of one parameter; `detail` is its position in `options`.
        Fsconfig = 13 "set option",
        /// fsconfig(2): the file system is made.
        FsCreate = 14 "create file system",
        /// fsmount(2).
        Fsmount = 15 "fsmount",
        /// move_mount(2).
        MoveMount = 16 "attach",
        /// mount_setattr(2).
        SetAttributes = 17 "set mount attributes",
        /// Setting propagation.
        Propagation = 18 "set propagation",
        /// pivot_root(2).
        PivotRoot = 19 "pivot_root",
        /// umount2(2).
        Unmount = 20 "umount",
        /// chdir(2), fchdir(2).
        Chdir = 21 "chdir",
        /// chroot(2).
        Chroot = 22 "chroot",
        /// mknod(2).
        Mknod = 23 "mknod",
        /// fchmod(2).
        Chmod = 24 "chmod",
        /// fchown(2).
        Chown = 25 "chown",
        /// symlink(2).
        Symlink = 26 "symlink",
        /// A file is not what it has to be (null device, devpts, procfs).
        Verify = 27 "verify",
        /// setsid(2).
        Setsid = 28 "setsid",
        /// An ioctl(2) on a terminal.
        Terminal = 29 "set up terminal",
        /// sendmsg(2).
        Send = 30 "send",
        /// recvmsg(2).
        Receive = 31 "receive",
        /// fork of a hook.
        Fork = 32 "fork",
        /// exec of a hook.
        HookExec = 33 "exec",
        /// A hook ended with a status other than 0; `detail` is the wait status.
        HookStatus = 34 "hook",
        /// A hook did not end in time.
        HookTimeout = 35 "hook timeout",
        /// sethostname(2), setdomainname(2).
        Name = 36 "set name",
        /// The loopback interface.
        Loopback = 37 "bring up",
        /// keyctl(2).
        Keyring = 38 "join session keyring",
        /// sched_setaffinity(2).
        Affinity = 39 "set CPU affinity",
        /// setrlimit(2).
        Limit = 40 "setrlimit",
        /// prctl(2).
        Prctl = 41 "prctl",
        /// setgroups(2).
        Setgroups = 42 "setgroups",
        /// setresgid(2).
        Setgid = 43 "setgid",
        /// setresuid(2).
        Setuid = 44 "setuid",
        /// capset(2).
        Capset = 45 "capset",
        /// PR_CAP_AMBIENT.
        Ambient = 46 "raise ambient capability",
        /// PR_CAPBSET_DROP.
        Bounding = 47 "drop bounding capability",
        /// seccomp(2).
        Seccomp = 48 "load seccomp filter",
        /// The program does not exist.
        Lookup = 49 "find program",
        /// close_range(2).
        CloseRange = 50 "close_range",
        /// execve(2).
        Exec = 51 "exec",
        /// The runtime is gone or answered something else.
        Peer = 52 "answer of the runtime",
        /// The kernel handed back something of another kind; `detail` says what.
        Statx = 53 "stat",
        /// The working directory is outside the root.
        Outside = 54 "working directory is outside the root",
        /// Copying what a directory holds.
        Copy = 55 "copy",
        /// sched_setattr(2).
        Scheduler = 56 "set scheduler",
        /// ioprio_set(2).
        IoPriority = 57 "set I/O priority",
        /// personality(2).
        Personality = 58 "set personality",
        /// set_mempolicy(2).
        MemoryPolicy = 59 "set memory policy",
        /// fsetxattr(2).
        Xattr = 60 "set SELinux label",
        /// What would be mounted over is the root.
        OverRoot = 61 "the target leads to the container's root itself, which can't be mounted over",
        /// What would be mounted over is on a procfs.
        OverProc = 62 "the target leads into a procfs, where this can't be mounted",
    }
}

/// What failed, where, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The part of the boot order.
    pub stage: Stage,
    /// The step's number (`nlmsg_seq`); 0 where no step was under way.
    pub step: u32,
    /// The operation.
    pub op: Op,
    /// The kernel's errno; 0 where no syscall failed.
    pub errno: u32,
    /// What more there is to know, by the operation.
    pub detail: u32,
}
