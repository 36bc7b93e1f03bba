//! Mounts that the runtime makes and hands to nsexec: those with id mappings, which take a second user namespace, and
//! all binds of a container with a user namespace of its own, whose root may not reach their sources.

use super::mounts::Entry;
use super::namespaces::map_lines;
use super::root::propagation;
use super::{Builder, Creation, Error, FdRole};
use crate::config::{Bind, mount_options};
use crate::facts::Facts;
use crate::namespaces::NamespaceType;
use crate::plan::text::c_string;
use oci_spec::runtime::{LinuxIdMapping, Spec};
use skeg_proto::step::StepBuf;
use std::path::{Path, PathBuf};

/// A copy of a part of the host's tree of mounts.
#[derive(Clone, Debug, PartialEq)]
pub struct Tree {
    /// The place in config.json.
    pub origin: String,
    /// The path on the host.
    pub source: PathBuf,
    /// A source that is a symlink is mounted itself.
    pub nofollow: bool,
    /// With what is mounted below it.
    pub recursive: bool,
    /// MS_* flags, as the container's root has them: otherwise the copy would be a peer of the host's mount.
    pub propagation: u32,
    /// MOUNT_ATTR_* to set on and to clear from the mount itself.
    pub top: (u64, u64),
    /// The same for all mounts of the tree.
    pub all: (u64, u64),
    /// How ids are mapped.
    pub id_map: Option<IdMap>,
}

/// The mappings of a mount (mount_setattr(2), "ID-mapped mounts").
#[derive(Clone, Debug, PartialEq)]
pub struct IdMap {
    /// For the mounts below, too.
    pub recursive: bool,
    /// By which user namespace.
    pub namespace: IdMapNamespace,
}

/// The user namespace whose mappings a mount gets.
#[derive(Clone, Debug, PartialEq)]
pub enum IdMapNamespace {
    /// A new one with these lines of uid_map and gid_map.
    New(String, String),
    /// The one at this path.
    At(PathBuf),
}

impl Builder {
    /// Whether the runtime has to make this bind. A procfs has to be found in the container's own PID namespace.
    pub(super) fn needs_tree(&self, entry: &Entry<'_>, facts: &Facts, creation: &Creation) -> bool {
        let is_mapped = mount_options::is_mapped(entry.mount, &entry.options);
        let in_userns = creation.is_own(NamespaceType::User) && !facts.rootless;
        is_mapped || in_userns && entry.target != Path::new("/proc")
    }

    /// Attaches a bind that the runtime has made.
    pub(super) fn attach(
        &mut self,
        entry: &Entry<'_>,
        spec: &Spec,
        creation: &Creation,
        source: PathBuf,
    ) -> Result<(), Error> {
        let options = &entry.options;
        let tree = Tree {
            origin: entry.origin.clone(),
            source,
            nofollow: options.source_nofollow,
            recursive: options.bind == Some(Bind::Recursive),
            propagation: propagation(spec)?,
            top: (options.attr_set, options.attr_clear),
            all: (options.tree_set, options.tree_clear),
            id_map: id_map(entry, spec, creation),
        };
        let number = self.trees.len();
        self.trees.push(tree);
        let step = StepBuf::Attach {
            target: c_string(&entry.target, &entry.origin)?,
            tree: self.fd(FdRole::Tree(number)),
            propagation: options.propagation.clone(),
            no_symlinks: entry.no_symlinks(),
            target_nofollow: options.target_nofollow,
            proc_file: entry.is_proc_file(),
        };
        self.push(step, entry.origin.clone());
        Ok(())
    }
}

/// The mount's own mappings, or the container's where it only asks for some (config.md, `idmap`).
fn id_map(entry: &Entry<'_>, spec: &Spec, creation: &Creation) -> Option<IdMap> {
    let both = |uids: &Option<Vec<LinuxIdMapping>>, gids: &Option<Vec<LinuxIdMapping>>| {
        let lists = uids.as_deref().zip(gids.as_deref());
        let lists = lists.filter(|(uids, gids)| !uids.is_empty() && !gids.is_empty());
        lists.map(|(uids, gids)| IdMapNamespace::New(map_lines(uids), map_lines(gids)))
    };
    let own = both(entry.mount.uid_mappings(), entry.mount.gid_mappings());
    if own.is_none() && entry.options.idmap.is_none() {
        return None;
    }
    let joined = || creation.joined(NamespaceType::User).map(|path| IdMapNamespace::At(path.to_owned()));
    let container =
        || spec.linux().as_ref().and_then(|linux| both(linux.uid_mappings(), linux.gid_mappings()));
    let namespace = own.or_else(joined).or_else(container)?;
    Some(IdMap { recursive: entry.options.idmap == Some(Bind::Recursive), namespace })
}
