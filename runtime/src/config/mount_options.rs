//! The one table of mount options: what each word of `mounts[].options` does.
//!
//! Words come from mount(8), the spec's table (config.md, "Linux mount options"), runc's and crun's; whatever is not in the
//! table belongs to the file system. Of two words that contradict each other the later one holds.

use libc::{
    MOUNT_ATTR__ATIME, MOUNT_ATTR_NOATIME, MOUNT_ATTR_NODEV, MOUNT_ATTR_NODIRATIME, MOUNT_ATTR_NOEXEC,
    MOUNT_ATTR_NOSUID, MOUNT_ATTR_NOSYMFOLLOW, MOUNT_ATTR_RDONLY, MOUNT_ATTR_RELATIME,
    MOUNT_ATTR_STRICTATIME, MS_PRIVATE, MS_REC, MS_SHARED, MS_SLAVE, MS_UNBINDABLE,
};
use oci_spec::runtime::Mount;

/// How much of the source's tree an operation covers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bind {
    /// The mount itself.
    Single,
    /// With everything mounted below it.
    Recursive,
}

/// What a mount's options amount to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MountOptions {
    /// A bind mount; None: a new instance of a file system.
    pub bind: Option<Bind>,
    /// MOUNT_ATTR_* to set on the mount itself (mount_setattr(2)).
    pub attr_set: u64,
    /// MOUNT_ATTR_* to clear on the mount itself: what was switched off by name, and the atime class when one of it
    /// is set, as the kernel demands.
    pub attr_clear: u64,
    /// MOUNT_ATTR_* to set on the mount and all below it (`rro` ...).
    pub tree_set: u64,
    /// MOUNT_ATTR_* to clear on the mount and all below it.
    pub tree_clear: u64,
    /// MS_* propagation flags to apply one after the other (mount_namespaces(7)).
    pub propagation: Vec<u32>,
    /// Flags of the superblock, by their names in fsconfig(2). A bind mount can't change them.
    pub superblock: Vec<&'static str>,
    /// What the file system itself gets, `key` or `key=value`. Meaningless for a bind mount, which may carry some.
    pub data: Vec<String>,
    /// Change an existing mount instead of making one.
    pub remount: bool,
    /// Copy what a tmpfs covers into it.
    pub tmpcopyup: bool,
    /// Map the ids of the mount.
    pub idmap: Option<Bind>,
    /// A source that is a symlink is made again at the destination, not mounted.
    pub copy_symlink: bool,
    /// A source that is a symlink is mounted itself.
    pub source_nofollow: bool,
    /// A destination that is a symlink is mounted on itself.
    pub target_nofollow: bool,
}

/// What one word does.
#[derive(Clone, Copy)]
enum Effect {
    /// Sets an attribute.
    Set(Scope, u64),
    /// Clears an attribute.
    Clear(Scope, u64),
    /// Chooses one of the atime class.
    Atime(Scope, u64),
    Propagate(u64),
    Bind(Bind),
    /// A superblock's flag, by its name in fsconfig(2).
    Superblock(&'static str),
    /// No such flag.
    NoSuperblock(&'static str),
    Remount,
    TmpCopyUp,
    IdMap(Bind),
    CopySymlink,
    SourceNoFollow,
    TargetNoFollow,
    /// Asks for what is so anyway.
    Nothing,
}

#[derive(Clone, Copy)]
enum Scope {
    Mount,
    Tree,
}

use Effect::{
    Atime, Clear, CopySymlink, IdMap, NoSuperblock, Nothing, Propagate, Remount, Set, SourceNoFollow,
    Superblock, TargetNoFollow, TmpCopyUp,
};
use Scope::{Mount as Top, Tree};

/// crun's option: a source that is a symlink is made again at the target.
pub const COPY_SYMLINK: &str = "copy-symlink";

/// Sorted by name, which `parse` relies on.
///
/// `silent` and `loud` have no counterpart in fsopen(2), which returns its messages instead of printing them; change
/// counters (`iversion`) and ACLs are switched on by the file systems that have them. mount(2) takes all of these and
/// nothing comes of it, so they do nothing here.
const TABLE: &[(&str, Effect)] = &[
    ("acl", Nothing),
    ("async", NoSuperblock("sync")),
    ("atime", Atime(Top, MOUNT_ATTR_RELATIME)),
    ("bind", Effect::Bind(Bind::Single)),
    (COPY_SYMLINK, CopySymlink),
    ("defaults", Nothing),
    ("dest-nofollow", TargetNoFollow),
    ("dev", Clear(Top, MOUNT_ATTR_NODEV)),
    ("diratime", Clear(Top, MOUNT_ATTR_NODIRATIME)),
    ("dirsync", Superblock("dirsync")),
    ("exec", Clear(Top, MOUNT_ATTR_NOEXEC)),
    ("idmap", IdMap(Bind::Single)),
    ("iversion", Nothing),
    ("lazytime", Superblock("lazytime")),
    ("loud", Nothing),
    ("mand", Superblock("mand")),
    ("noacl", Nothing),
    ("noatime", Atime(Top, MOUNT_ATTR_NOATIME)),
    ("nodev", Set(Top, MOUNT_ATTR_NODEV)),
    ("nodiratime", Set(Top, MOUNT_ATTR_NODIRATIME)),
    ("noexec", Set(Top, MOUNT_ATTR_NOEXEC)),
    ("noiversion", Nothing),
    ("nolazytime", NoSuperblock("lazytime")),
    ("nomand", NoSuperblock("mand")),
    // The kernel's choice when nobody chooses is relatime.
    ("norelatime", Nothing),
    ("nostrictatime", Atime(Top, MOUNT_ATTR_RELATIME)),
    ("nosuid", Set(Top, MOUNT_ATTR_NOSUID)),
    ("nosymfollow", Set(Top, MOUNT_ATTR_NOSYMFOLLOW)),
    ("private", Propagate(MS_PRIVATE)),
    ("ratime", Atime(Tree, MOUNT_ATTR_RELATIME)),
    ("rbind", Effect::Bind(Bind::Recursive)),
    ("rdev", Clear(Tree, MOUNT_ATTR_NODEV)),
    ("rdiratime", Clear(Tree, MOUNT_ATTR_NODIRATIME)),
    ("relatime", Atime(Top, MOUNT_ATTR_RELATIME)),
    ("remount", Remount),
    ("rexec", Clear(Tree, MOUNT_ATTR_NOEXEC)),
    ("ridmap", IdMap(Bind::Recursive)),
    ("rnoatime", Atime(Tree, MOUNT_ATTR_NOATIME)),
    ("rnodev", Set(Tree, MOUNT_ATTR_NODEV)),
    ("rnodiratime", Set(Tree, MOUNT_ATTR_NODIRATIME)),
    ("rnoexec", Set(Tree, MOUNT_ATTR_NOEXEC)),
    ("rnorelatime", Atime(Tree, MOUNT_ATTR_RELATIME)),
    ("rnostrictatime", Atime(Tree, MOUNT_ATTR_RELATIME)),
    ("rnosuid", Set(Tree, MOUNT_ATTR_NOSUID)),
    ("rnosymfollow", Set(Tree, MOUNT_ATTR_NOSYMFOLLOW)),
    ("ro", Set(Top, MOUNT_ATTR_RDONLY)),
    ("rprivate", Propagate(MS_PRIVATE | MS_REC)),
    ("rrelatime", Atime(Tree, MOUNT_ATTR_RELATIME)),
    ("rro", Set(Tree, MOUNT_ATTR_RDONLY)),
    ("rrw", Clear(Tree, MOUNT_ATTR_RDONLY)),
    ("rshared", Propagate(MS_SHARED | MS_REC)),
    ("rslave", Propagate(MS_SLAVE | MS_REC)),
    ("rstrictatime", Atime(Tree, MOUNT_ATTR_STRICTATIME)),
    ("rsuid", Clear(Tree, MOUNT_ATTR_NOSUID)),
    ("rsymfollow", Clear(Tree, MOUNT_ATTR_NOSYMFOLLOW)),
    ("runbindable", Propagate(MS_UNBINDABLE | MS_REC)),
    ("rw", Clear(Top, MOUNT_ATTR_RDONLY)),
    ("shared", Propagate(MS_SHARED)),
    ("silent", Nothing),
    ("slave", Propagate(MS_SLAVE)),
    ("src-nofollow", SourceNoFollow),
    ("strictatime", Atime(Top, MOUNT_ATTR_STRICTATIME)),
    ("suid", Clear(Top, MOUNT_ATTR_NOSUID)),
    ("symfollow", Clear(Top, MOUNT_ATTR_NOSYMFOLLOW)),
    ("sync", Superblock("sync")),
    ("tmpcopyup", TmpCopyUp),
    ("unbindable", Propagate(MS_UNBINDABLE)),
];

/// File systems without a disk. Their superblock may be shared with the host or with other containers, so being
/// read-only is a matter of the mount alone; of any other file system the superblock becomes read-only too, which a
/// read-only disk demands.
const VIRTUAL: [&str; 17] = [
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "hugetlbfs",
    "mqueue",
    "proc",
    "pstore",
    "ramfs",
    "securityfs",
    "sysfs",
    "tmpfs",
    "tracefs",
];

/// The options that skeg knows, sorted: `mountOptions` of `features`. Like runc's, the list holds neither `idmap` nor
/// `ridmap`, which `features` reports elsewhere.
pub fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().filter(|(_, effect)| !matches!(effect, IdMap(_))).map(|(name, _)| *name)
}

/// Whether mounts can have ids of their own: `mountExtensions.idmap` of `features`.
pub fn has_idmap() -> bool {
    TABLE.iter().any(|(_, effect)| matches!(effect, IdMap(_)))
}

/// Whether a mount has an option by name.
pub fn has(mount: &Mount, name: &str) -> bool {
    mount.options().iter().flatten().any(|option| option == name)
}

/// Whether a mount's ids are mapped. An empty list is none, as in Go.
pub fn is_mapped(mount: &Mount, options: &MountOptions) -> bool {
    let lists = [mount.uid_mappings(), mount.gid_mappings()];
    options.idmap.is_some() || lists.into_iter().flatten().any(|list| !list.is_empty())
}

/// The options of a mount, and what its type says: `bind` there is the option of that name.
pub fn of(mount: &Mount) -> MountOptions {
    let mut options = parse(mount.options().as_deref().unwrap_or_default());
    if options.bind.is_none() && mount.typ().as_deref() == Some("bind") {
        options.bind = Some(Bind::Single);
    }
    options
}

/// Sorts options into what they do. Total: every word either means something or is data.
pub fn parse(options: &[String]) -> MountOptions {
    let mut parsed = MountOptions::default();
    for option in options {
        match lookup(option) {
            Some(effect) => parsed.apply(effect),
            None => parsed.data.extend(split_data(option).filter(|item| !item.is_empty()).map(Into::into)),
        }
    }
    parsed
}

fn lookup(name: &str) -> Option<Effect> {
    let at = TABLE.binary_search_by_key(&name, |(name, _)| name).ok()?;
    TABLE.get(at).map(|(_, effect)| *effect)
}

/// mount(2) takes all data as one string, so a single option may hold several. Commas inside quotes (SELinux
/// contexts) and escaped ones (overlayfs paths) separate nothing.
fn split_data(option: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    option.split(move |character| {
        let separates = character == ',' && !quoted && !escaped;
        quoted ^= character == '"';
        escaped = character == '\\' && !escaped;
        separates
    })
}

impl MountOptions {
    /// MOUNT_ATTR_* for fsmount(2): of a new mount nothing has to be cleared, and it has nothing below it.
    pub fn filesystem_attributes(&self) -> u64 {
        (self.attr_set & !self.tree_clear) | self.tree_set
    }

    /// The parameters for fsconfig(2) of a new instance of `fstype`, apart from its source.
    pub fn filesystem_parameters(&self, fstype: &str) -> Vec<String> {
        let ro = self.filesystem_attributes() & MOUNT_ATTR_RDONLY != 0 && !VIRTUAL.contains(&fstype);
        let flags = self.superblock.iter().copied().chain(ro.then_some("ro"));
        flags.map(String::from).chain(self.data.iter().cloned()).collect()
    }

    fn apply(&mut self, effect: Effect) {
        match effect {
            Set(scope, attribute) => self.change(scope, attribute, 0),
            Clear(scope, attribute) => self.change(scope, 0, attribute),
            Atime(scope, attribute) => {
                // Drops what an earlier word chose, and tells the kernel to drop what the source has.
                self.change(scope, 0, MOUNT_ATTR__ATIME);
                match scope {
                    Top => self.attr_set |= attribute,
                    Tree => self.tree_set |= attribute,
                }
            }
            Propagate(flags) => self.propagation.extend(u32::try_from(flags)),
            // `rbind` holds even before `bind`, as the flags of mount(2) would.
            Effect::Bind(bind) if self.bind != Some(Bind::Recursive) => self.bind = Some(bind),
            Effect::Bind(_) | Nothing => {}
            Superblock(flag) => {
                if !self.superblock.contains(&flag) {
                    self.superblock.push(flag);
                }
            }
            NoSuperblock(flag) => self.superblock.retain(|set| *set != flag),
            Remount => self.remount = true,
            TmpCopyUp => self.tmpcopyup = true,
            IdMap(scope) => self.idmap = Some(scope),
            CopySymlink => self.copy_symlink = true,
            SourceNoFollow => self.source_nofollow = true,
            TargetNoFollow => self.target_nofollow = true,
        }
    }

    fn change(&mut self, scope: Scope, set: u64, clear: u64) {
        let (attr_set, attr_clear) = match scope {
            Top => (&mut self.attr_set, &mut self.attr_clear),
            Tree => (&mut self.tree_set, &mut self.tree_clear),
        };
        *attr_set = (*attr_set | set) & !clear;
        *attr_clear = (*attr_clear | clear) & !set;
    }
}

#[cfg(test)]
mod tests;
