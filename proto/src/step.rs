//! Every instruction that nsexec knows: the only table of their numbers, attributes and types.
//!
//! A step is either a message with attributes, all of which must be there, or a bulk message whose payload is one
//! value (argv, env, BPF ...), because an attribute's length is only 16 bits wide. A bulk message fills a register
//! that the next step which needs it uses.

use crate::field::{Bool, Bytes, Field, List, Str, Type, U32, U64, Words};
use crate::frame::{DecodeError, Message};

macro_rules! steps {
    (
        attributes { $( $(#[$doc:meta])* $name:ident = $kind:literal { $( $(#[$fdoc:meta])* $number:literal $field:ident: $ty:ident, )* } )* }
        bulk { $( $(#[$bdoc:meta])* $bname:ident = $bkind:literal $bfield:ident: $bty:ident, )* }
    ) => {
        /// One instruction, borrowed from the stream. A field without a line of its own is what its name says.
        #[derive(Clone, Copy, Debug, PartialEq)]
        #[allow(missing_docs)]
        pub enum Step<'a> {
            $( $(#[$doc])* $name { $( $(#[$fdoc])* $field: <$ty as Field>::Ref<'a>, )* }, )*
            $( $(#[$bdoc])* $bname {
                /// The payload.
                $bfield: <$bty as Field>::Ref<'a>,
                /// `nlmsg_flags`.
                flags: u16,
            }, )*
        }

        impl<'a> Step<'a> {
            /// Reads one message as a step.
            pub fn read(message: &Message<'a>) -> Result<Self, DecodeError> {
                match message.kind {
                    $( $kind => {
                        $( let mut $field = None; )*
                        if message.flags != 0 {
                            return Err(DecodeError::BadValue);
                        }
                        for attribute in message.attributes() {
                            #[allow(unused_variables)]
                            let (number, payload) = attribute?;
                            match number {
                                $( $number => set(&mut $field, <$ty>::read(payload)?)?, )*
                                _ => return Err(DecodeError::UnknownAttribute),
                            }
                        }
                        Ok(Self::$name { $( $field: $field.ok_or(DecodeError::MissingAttribute)?, )* })
                    } )*
                    $( $bkind => Ok(Self::$bname { $bfield: <$bty>::read(message.payload)?, flags: message.flags }), )*
                    _ => Err(DecodeError::UnknownMessage),
                }
            }

            /// `nlmsg_type` of this step.
            pub fn kind(&self) -> u16 {
                match self {
                    $( Self::$name { .. } => $kind, )*
                    $( Self::$bname { .. } => $bkind, )*
                }
            }
        }

        /// The table as data, for those who walk it: dumps, tests, fuzzing.
        pub const TABLE: &[Row] = &[
            $( Row {
                kind: $kind,
                name: stringify!($name),
                fields: Fields::Attributes(&[ $( ($number, stringify!($field), <$ty as Field>::TYPE), )* ]),
            }, )*
            $( Row {
                kind: $bkind,
                name: stringify!($bname),
                fields: Fields::Bulk(stringify!($bfield), <$bty as Field>::TYPE),
            }, )*
        ];

        /// The name of a message type.
        pub fn kind_name(kind: u16) -> Option<&'static str> {
            match kind {
                $( $kind => Some(stringify!($name)), )*
                $( $bkind => Some(stringify!($bname)), )*
                _ => None,
            }
        }

        /// The name of an attribute; None where the message is a bulk message or has no such attribute.
        pub fn attribute_name(kind: u16, number: u16) -> Option<&'static str> {
            match (kind, number) {
                $( $( ($kind, $number) => Some(stringify!($field)), )* )*
                _ => None,
            }
        }

        /// One instruction, owned: what a plan consists of.
        #[cfg(feature = "std")]
        #[derive(Clone, Debug, PartialEq)]
        #[allow(missing_docs)]
        pub enum StepBuf {
            $( $(#[$doc])* $name { $( $(#[$fdoc])* $field: <$ty as Field>::Owned, )* }, )*
            $( $(#[$bdoc])* $bname {
                /// The payload.
                $bfield: <$bty as Field>::Owned,
                /// `nlmsg_flags`.
                flags: u16,
            }, )*
        }

        #[cfg(feature = "std")]
        impl StepBuf {
            /// `nlmsg_type` of this step.
            pub fn kind(&self) -> u16 {
                match self {
                    $( Self::$name { .. } => $kind, )*
                    $( Self::$bname { .. } => $bkind, )*
                }
            }

            /// The step's name.
            pub fn name(&self) -> &'static str {
                kind_name(self.kind()).unwrap_or("?")
            }

            /// The step's fields by name, for those who print it.
            pub fn fields(&self) -> std::vec::Vec<(&'static str, crate::field::Value)> {
                match self {
                    $( Self::$name { $( $field, )* } => std::vec![ $( (stringify!($field), <$ty>::show($field)), )* ], )*
                    $( Self::$bname { $bfield, flags } => {
                        let mut fields = std::vec![(stringify!($bfield), <$bty>::show($bfield))];
                        if *flags != 0 {
                            fields.push(("flags", crate::field::Value::Number(u64::from(*flags))));
                        }
                        fields
                    } )*
                }
            }

            /// The step's attributes as (number, payload), or its bulk payload and flags.
            pub(crate) fn payload(&self) -> Payload {
                match self {
                    $( Self::$name { $( $field, )* } => Payload::Attributes(std::vec![
                        $( ($number, { let mut out = std::vec::Vec::new(); <$ty>::write($field, &mut out); out }), )*
                    ]), )*
                    $( Self::$bname { $bfield, flags } => {
                        let mut out = std::vec::Vec::new();
                        <$bty>::write($bfield, &mut out);
                        Payload::Bulk(out, *flags)
                    } )*
                }
            }
        }

        #[cfg(feature = "std")]
        impl From<Step<'_>> for StepBuf {
            fn from(step: Step<'_>) -> Self {
                match step {
                    $( Step::$name { $( $field, )* } => Self::$name { $( $field: <$ty>::own($field), )* }, )*
                    $( Step::$bname { $bfield, flags } => Self::$bname { $bfield: <$bty>::own($bfield), flags }, )*
                }
            }
        }
    };
}

/// One message type of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// `nlmsg_type`.
    pub kind: u16,
    /// The step's name.
    pub name: &'static str,
    /// What the message carries.
    pub fields: Fields,
}

/// The fields of one message type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fields {
    /// Attributes: number, name and type, in the order in which they are written.
    Attributes(&'static [(u16, &'static str, Type)]),
    /// One value as the payload: its name and type.
    Bulk(&'static str, Type),
}

/// What a step's message carries.
#[cfg(feature = "std")]
pub(crate) enum Payload {
    Attributes(std::vec::Vec<(u16, std::vec::Vec<u8>)>),
    Bulk(std::vec::Vec<u8>, u16),
}

fn set<T>(slot: &mut Option<T>, value: T) -> Result<(), DecodeError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(DecodeError::DuplicateAttribute),
    }
}

steps! {
    attributes {
        /// The protocol's number; the message after INIT.
        Version = 62001 { 1 version: U32, }

        // Before the clone, with the host's privileges.

        /// The runtime's file descriptors, which it sends one by one (`ToNsexec::Fd`): it starts nsexec before it knows them.
        Fds = 62006 {
            /// The number of the first one; the others follow.
            1 first: U32,
            /// How many.
            2 count: U32,
        }
        /// setns(2) into several namespaces of a process at once.
        Join = 62002 {
            /// A pidfd of the process.
            1 pidfd: U32,
            /// CLONE_NEW* flags of the namespaces to join.
            2 namespaces: U32,
        }
        /// The cgroup (v2) that the clone puts the new process into (CLONE_INTO_CGROUP).
        Cgroup = 62003 {
            /// An fd of the cgroup's directory.
            1 fd: U32,
        }
        /// Raises a hard limit to at least this: in a user namespace of its own the process no longer may.
        RaiseLimit = 62004 {
            /// RLIMIT_*.
            1 resource: U32,
            /// The hard limit.
            2 hard: U64,
        }
        /// The one clone3(2). INIT says which namespaces are new.
        Clone = 62005 {}
        /// In Clone's place: the runtime has made this process, in its PID namespace and its cgroup, and the container
        /// starts in it.
        Born = 62007 {}

        // Set-up: from here in the new process.

        /// Propagation of the mount that holds "/" (mount_namespaces(7)).
        Propagation = 62010 {
            /// MS_SHARED, MS_SLAVE, MS_PRIVATE or MS_UNBINDABLE; with MS_REC for everything below it.
            1 flags: U32,
        }
        /// Makes the mount that holds the path private, so that nothing mounted on it reaches the host.
        PrivateParent = 62011 { 1 path: Str, }
        /// Clones the rootfs (a host path) and attaches it on itself: the container's root from here on.
        Root = 62012 { 1 path: Str, }
        /// Mounts a new instance of a file system.
        Filesystem = 62013 {
            /// Where, inside the root; made when missing.
            1 target: Str,
            /// The file system's name.
            2 fstype: Str,
            /// fsconfig's "source"; empty: none.
            3 source: Str,
            /// fsconfig's parameters, `key` or `key=value`.
            4 options: List,
            /// MOUNT_ATTR_* to set.
            5 attr_set: U64,
            /// MS_* propagation flags to apply one after the other.
            6 propagation: Words,
            /// Refuse a target that is, or is reached through, a symlink (/proc, /sys).
            7 no_symlinks: Bool,
            /// Without `mode=` the new root directory takes the mode of the directory it covers (tmpfs).
            8 keep_mode: Bool,
            /// A target that is a symlink is refused: it is no directory.
            9 target_nofollow: Bool,
        }
        /// Mounts a file or directory of the host.
        Bind = 62014 {
            /// Where, inside the root; made when missing.
            1 target: Str,
            /// What: a host path.
            2 source: Str,
            /// Everything mounted below it, too.
            3 recursive: Bool,
            /// MOUNT_ATTR_* to set on the top mount.
            4 attr_set: U64,
            /// MOUNT_ATTR_* to clear on the top mount.
            5 attr_clear: U64,
            /// MOUNT_ATTR_* to set on all mounts of the tree.
            6 tree_set: U64,
            /// MOUNT_ATTR_* to clear on all mounts of the tree.
            7 tree_clear: U64,
            /// MS_* propagation flags to apply one after the other.
            8 propagation: Words,
            /// Refuse a target that is, or is reached through, a symlink (/proc, /sys).
            9 no_symlinks: Bool,
            /// Refuse a source that is no procfs (/proc).
            10 procfs: Bool,
            /// A source that is a symlink is mounted itself (crun's src-nofollow).
            11 source_nofollow: Bool,
            /// A target that is a symlink is mounted on itself (crun's dest-nofollow).
            12 target_nofollow: Bool,
            /// The target is a file of /proc that may be covered.
            13 proc_file: Bool,
        }
        /// A device node or FIFO (mknod(2)).
        Device = 62015 {
            /// Where, inside the root.
            1 path: Str,
            /// File type and permissions, as st_mode.
            2 mode: U32,
            /// Major number.
            3 major: U32,
            /// Minor number.
            4 minor: U32,
            /// Owner inside the container.
            5 uid: U32,
            /// Group inside the container.
            6 gid: U32,
        }
        /// A device node of the host, bound: where none can be made.
        HostDevice = 62054 {
            /// Where, on the host and inside the root.
            1 path: Str,
            /// What it has to be: the file type, as st_mode.
            2 mode: U32,
            /// Major number.
            3 major: U32,
            /// Minor number.
            4 minor: U32,
        }
        /// A symbolic link. What is there already is kept, unless it is asked for otherwise.
        Symlink = 62016 {
            /// Where, inside the root.
            1 path: Str,
            /// What it points to.
            2 target: Str,
            /// What is there already has to be the same symlink.
            3 exact: Bool,
            /// What is there already makes room for it, where it can be removed.
            4 replace: Bool,
        }
        /// A directory, with its parents; one that is there already is kept.
        Directory = 62017 {
            /// Where, inside the root.
            1 path: Str,
            /// Permissions.
            2 mode: U32,
        }
        /// A new pseudo-terminal from the container's devpts becomes the process's controlling terminal.
        Console = 62018 {
            /// The socket that receives the master; NO_FD: the runtime, by the sync socket.
            1 socket: U32,
            /// Rows; 0: leave.
            2 rows: U32,
            /// Columns; 0: leave.
            3 columns: U32,
            /// Bind it on /dev/console.
            4 mount: Bool,
        }
        /// Stops until the runtime has run its hooks (createRuntime, prestart).
        HookPoint = 62019 {}
        /// Runs a program with the registers HookArgs, HookEnv and HookStdin and waits for it.
        Hook = 62020 {
            /// The program, resolved in the root that is current at this step.
            1 path: Str,
            /// Milliseconds after which it is killed and the start fails; 0: none.
            2 timeout: U32,
            /// Where in HookStdin the decimal pid of this process is inserted.
            3 pid_at: U32,
            /// An fd of a file for its standard output and error; NO_FD: this process's own.
            4 output: U32,
            /// As the program would be: with this process's working directory and umask. Otherwise it starts in the
            /// container's root, with a umask of 022.
            5 inside: Bool,
        }
        /// pivot_root(2) into the root; the old one is detached.
        Pivot = 62021 {}
        /// Moves the root over "/" and chroot(2)s into it (`--no-pivot`).
        MoveRoot = 62022 {}
        /// chroot(2) into the rootfs, where the mount namespace is the host's and nothing may be mounted.
        Chroot = 62036 { 1 path: Str, }
        /// Changes a mount inside the root (mount_setattr(2)).
        SetAttributes = 62023 {
            /// The mount, inside the root.
            1 path: Str,
            /// MOUNT_ATTR_* to set.
            2 set: U64,
            /// MOUNT_ATTR_* to clear.
            3 clear: U64,
            /// Also everything below it.
            4 recursive: Bool,
        }
        /// Writes a sysctl, through a procfs that nsexec made.
        Sysctl = 62024 {
            /// The path below /proc/sys.
            1 path: Str,
            /// The value.
            2 value: Str,
        }
        /// Hides a path: a file behind the null device, a directory behind an empty read-only tmpfs.
        Mask = 62025 { 1 path: Str, }
        /// Makes a path read-only.
        Readonly = 62026 { 1 path: Str, }
        /// sethostname(2).
        Hostname = 62027 { 1 name: Str, }
        /// setdomainname(2).
        Domainname = 62028 { 1 name: Str, }
        /// Brings the loopback interface up.
        Loopback = 62029 {}
        /// Joins a new session keyring (keyctl(2)).
        Keyring = 62030 {
            /// Its name.
            1 name: Str,
            /// Permission bits to add.
            2 permissions: U32,
        }
        /// umask(2).
        Umask = 62031 { 1 mask: U32, }
        /// Standard streams that are the host's null device become the container's.
        ReopenNull = 62032 {}
        /// Finds the program among the register Candidates, checked with the rights that the process will have.
        Program = 62033 {
            /// The user.
            1 uid: U32,
            /// The group.
            2 gid: U32,
            /// The effective capabilities.
            3 effective: U64,
            /// The path, from the working directory, by which it is executed; empty: the one at which it is found.
            4 name: Str,
        }
        /// HOME in the register Env becomes the user's home of the container's /etc/passwd, or "/".
        Home = 62035 {
            /// The user.
            1 uid: U32,
        }
        /// Mounts a detached mount that the runtime has made: an idmapped tree, a source that the mapped user can't reach.
        Attach = 62037 {
            /// Where, inside the root; made when missing.
            1 target: Str,
            /// An fd of open_tree(2) or fsmount(2).
            2 tree: U32,
            /// MS_* propagation flags to apply one after the other.
            3 propagation: Words,
            /// Refuse a target that is, or is reached through, a symlink (/proc, /sys).
            4 no_symlinks: Bool,
            /// A target that is a symlink is mounted on itself (crun's dest-nofollow).
            5 target_nofollow: Bool,
            /// The target is a file of /proc that may be covered.
            6 proc_file: Bool,
        }
        /// Changes the parameters of a file system that is mounted inside the root (fspick(2)).
        Reconfigure = 62039 {
            /// The path inside the root.
            1 target: Str,
            /// `key` or `key=value`.
            2 options: List,
        }
        /// setxattr(2) of `security.selinux`: for a file system that takes no `context=`.
        FileLabel = 62053 {
            /// The path inside the root.
            1 path: Str,
            /// The label.
            2 value: Str,
        }
        /// The next Filesystem starts as a copy of the directory that it covers (tmpcopyup).
        CopyUp = 62038 {}
        /// sched_setattr(2).
        Scheduler = 62050 {
            /// SCHED_*.
            1 policy: U32,
            /// The nice value, as the 32 bits of an i32.
            2 nice: U32,
            /// The static priority.
            3 priority: U32,
            /// SCHED_FLAG_*.
            4 flags: U64,
            /// SCHED_DEADLINE: nanoseconds.
            5 runtime: U64,
            /// SCHED_DEADLINE: nanoseconds.
            6 deadline: U64,
            /// SCHED_DEADLINE: nanoseconds.
            7 period: U64,
        }
        /// ioprio_set(2), for this process.
        IoPriority = 62051 {
            /// The class, shifted left by 13, and the level.
            1 value: U32,
        }
        /// personality(2).
        Personality = 62052 { 1 domain: U32, }
        /// Reports READY and waits for START: the runtime has written down what `delete` needs. Then waits for `start`.
        Ready = 62034 {
            /// A FIFO to read one byte from, after the sync socket is closed; NO_FD: go on after START.
            1 fifo: U32,
        }

        // After `start`.

        /// setrlimit(2).
        Limit = 62040 {
            /// RLIMIT_*.
            1 resource: U32,
            /// The soft limit.
            2 soft: U64,
            /// The hard limit.
            3 hard: U64,
        }
        /// The working directory, which must be inside the root.
        Workdir = 62041 { 1 path: Str, }
        /// Gives the standard streams to the user.
        ChownStdio = 62042 { 1 uid: U32, }
        /// Writes an LSM attribute of this process, through a procfs that nsexec made.
        Label = 62043 {
            /// The path below /proc/self/attr.
            1 path: Str,
            /// The value.
            2 value: Str,
        }
        /// PR_SET_NO_NEW_PRIVS.
        NoNewPrivs = 62044 {}
        /// Groups (the register), user and capabilities, in the one order that works (credentials(7)).
        Credentials = 62045 {
            /// The user.
            1 uid: U32,
            /// The group.
            2 gid: U32,
            /// Whether setgroups(2) is called: a user namespace may deny it.
            3 setgroups: Bool,
            /// The bounding set.
            4 bounding: U64,
            /// The permitted set.
            5 permitted: U64,
            /// The effective set.
            6 effective: U64,
            /// The inheritable set.
            7 inheritable: U64,
            /// The ambient set.
            8 ambient: U64,
        }
        /// Closes every fd from `keep_fds` up and execs the program with the registers Argv and Env.
        Exec = 62046 { 1 keep_fds: U32, }
    }
    bulk {
        /// Register: argv of the container's program.
        Argv = 62060 args: List,
        /// Register: its environment, `KEY=value`.
        Env = 62061 vars: List,
        /// Register: supplementary groups.
        Groups = 62062 gids: Words,
        /// Register: paths at which the program may be, in order.
        Candidates = 62063 paths: List,
        /// Register: argv of the next hook.
        HookArgs = 62064 args: List,
        /// Register: its environment.
        HookEnv = 62065 vars: List,
        /// Register: its standard input.
        HookStdin = 62066 text: Bytes,
        /// Loads a seccomp filter: the payload is the BPF program, `nlmsg_flags` are SECCOMP_FILTER_FLAG_*.
        Seccomp = 62067 filter: Bytes,
        /// sched_setaffinity(2): the payload is the mask.
        Affinity = 62068 mask: Bytes,
        /// set_mempolicy(2): the payload is the mask of nodes, `nlmsg_flags` are the mode and MPOL_F_*.
        MemoryPolicy = 62069 nodes: Bytes,
    }
}
