//! Device rules for the v1 devices controller: a mode (allow all or deny all) and a list of exceptions.

use super::{Access, Kind, Nodes, Rule, allows_all};
use crate::cgroup::dir::{Dir, write_command};
use crate::cgroup::error::{Error, Result};
use nix::errno::Errno;
use std::collections::BTreeMap;

/// What is written to devices.allow or devices.deny.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// devices.allow, or else devices.deny.
    pub allow: bool,
    /// The text.
    pub text: String,
}

/// The changes that bring a cgroup in any state to `rules`. The kernel knows one mode and its exceptions; an
/// exception to an exception can't be told to it, and is an error rather than a rule that silently doesn't hold.
pub fn changes(rules: &[Rule]) -> Result<Vec<Change>> {
    let mut allow_all = false;
    let mut exceptions: BTreeMap<Nodes, Access> = BTreeMap::new();
    for rule in rules {
        match *rule {
            Rule::All { allow } => {
                allow_all = allow;
                exceptions.clear();
            }
            Rule::Some { allow, nodes, access } if allow != allow_all => {
                let merged = exceptions.get(&nodes).map_or(access, |old| old.and(access));
                exceptions.insert(nodes, merged);
            }
            Rule::Some { nodes, access, .. } => remove(&mut exceptions, nodes, access)?,
        }
    }
    let mode = Change { allow: allow_all, text: "a *:* rwm".to_owned() };
    let rest =
        exceptions.iter().map(|(nodes, access)| Change { allow: !allow_all, text: text(*nodes, *access) });
    Ok(std::iter::once(mode).chain(rest).collect())
}

/// Takes `access` to `nodes` out of the exceptions.
fn remove(exceptions: &mut BTreeMap<Nodes, Access>, nodes: Nodes, access: Access) -> Result<()> {
    let hole = exceptions.iter().find(|(other, rights)| {
        overlap(**other, nodes) && !covers(nodes, **other) && rights.overlaps(access)
    });
    if let Some((other, rights)) = hole {
        let reason = format!(
            "rule {} not supported by devices cgroupv1 (cannot punch hole in existing wildcard rule {})",
            text(nodes, access),
            text(*other, *rights)
        );
        return Err(Error::setting("linux.resources.devices", reason));
    }
    // A wider rule takes the narrower exceptions with it.
    for (_, rights) in exceptions.iter_mut().filter(|(other, _)| covers(nodes, **other)) {
        *rights = rights.without(access);
    }
    exceptions.retain(|_, rights| !rights.is_empty());
    Ok(())
}

/// Whether every node of `inner` is one of `outer`.
fn covers(outer: Nodes, inner: Nodes) -> bool {
    let number = |outer: Option<u32>, inner: Option<u32>| outer.is_none() || outer == inner;
    outer.kind == inner.kind && number(outer.major, inner.major) && number(outer.minor, inner.minor)
}

/// Whether some node is of both.
fn overlap(a: Nodes, b: Nodes) -> bool {
    let number = |a: Option<u32>, b: Option<u32>| a.is_none() || b.is_none() || a == b;
    a.kind == b.kind && number(a.major, b.major) && number(a.minor, b.minor)
}

fn text(nodes: Nodes, access: Access) -> String {
    let number = |number: Option<u32>| number.map_or_else(|| "*".to_owned(), |number| number.to_string());
    let kind = match nodes.kind {
        Kind::Block => 'b',
        Kind::Char => 'c',
    };
    format!("{kind} {}:{} {access}", number(nodes.major), number(nodes.minor))
}

/// Writes the changes. The cgroup is empty or all in it is still our own code, so passing through "deny all" is
/// harmless, and nothing has to be read first.
pub(crate) fn apply(dir: &Dir, rules: &[Rule]) -> Result<()> {
    // Allowing all is refused in a cgroup with children, and often already so.
    if allows_all(rules) && dir.read("devices.list").is_ok_and(|list| list.trim() == "a *:* rwm") {
        return Ok(());
    }
    let changes = changes(rules)?;
    for group in changes.chunk_by(|a, b| a.allow == b.allow) {
        let file =
            if group.first().is_some_and(|change| change.allow) { "devices.allow" } else { "devices.deny" };
        let refused = |value: &str, errno: Errno| Error::Write {
            setting: "linux.resources.devices".to_owned(),
            path: dir.path().join(file),
            value: value.to_owned(),
            errno,
        };
        let fd = dir.open_for_writing(file).map_err(|errno| refused("rules", errno))?;
        for change in group {
            write_command(&fd, &change.text).map_err(|errno| refused(&change.text, errno))?;
        }
    }
    Ok(())
}
