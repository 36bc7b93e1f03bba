//! Which numbers the names of a profile have.

use std::collections::{BTreeMap, BTreeSet};

use oci_spec::runtime::{Arch, LinuxSeccomp};
use skeg::seccomp;

use crate::libseccomp::{self, Libseccomp};

/// Names, and their numbers on each of some architectures: their own, and that of socketcall(2) or ipc(2).
#[derive(Clone)]
pub struct Names(BTreeMap<String, Vec<BTreeSet<u32>>>);

impl Names {
    /// As our tables have them.
    pub fn ours(profile: &LinuxSeccomp, archs: &[Arch]) -> Self {
        let tables: Vec<BTreeMap<_, _>> =
            archs.iter().map(|arch| seccomp::calls(*arch).unwrap().into_iter().collect()).collect();
        let numbers = |name: &str| {
            let all = archs.iter().zip(&tables).map(|(arch, table)| {
                let multiplexed = libseccomp::multiplexed(*arch, name).map(|(number, _)| number);
                table.get(name).copied().into_iter().chain(multiplexed).collect()
            });
            all.collect()
        };
        let names: BTreeSet<&String> =
            profile.syscalls().iter().flatten().flat_map(|call| call.names()).collect();
        Self(names.into_iter().map(|name| (name.clone(), numbers(name))).collect())
    }

    /// Those that libseccomp knows as well. Who of the two knows a name that the other does not know is younger.
    pub fn common(&self, archs: &[Arch], oracle: &mut Libseccomp) -> Self {
        let theirs = oracle.names(archs, self.0.keys().cloned());
        let agreed = theirs.into_iter().filter_map(|(name, theirs)| {
            let ours = self.0.get(&name)?;
            let same = archs.iter().zip(ours).zip(theirs).all(|((arch, ours), theirs)| {
                let multiplexed = libseccomp::multiplexed(*arch, &name).is_some();
                multiplexed || ours.first().copied() == u32::try_from(theirs).ok()
            });
            same.then(|| (name, ours.clone()))
        });
        Self(agreed.collect())
    }

    /// Those that `others` does not have.
    pub fn without(&self, others: &Self) -> Self {
        let left = self.0.iter().filter(|(name, _)| !others.0.contains_key(*name));
        Self(left.map(|(name, numbers)| (name.clone(), numbers.clone())).collect())
    }

    /// The profile with these names only.
    pub fn restrict(&self, profile: &LinuxSeccomp) -> LinuxSeccomp {
        let mut profile = profile.clone();
        let mut syscalls = profile.syscalls().clone().unwrap_or_default();
        for syscall in &mut syscalls {
            let names = syscall.names().iter().filter(|name| self.0.contains_key(*name)).cloned();
            syscall.set_names(names.collect());
        }
        profile.set_syscalls(Some(syscalls));
        profile
    }

    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The numbers of a name on the architecture with this index.
    pub fn numbers(&self, name: &str, arch: usize) -> Option<&BTreeSet<u32>> {
        self.0.get(name)?.get(arch)
    }

    /// The highest number that stands for a name, on one architecture.
    pub fn highest(&self, arch: usize) -> Option<u32> {
        self.0.values().flat_map(|numbers| &numbers[arch]).max().copied()
    }
}
