//! `linux.resources` compiled into writes to cgroup files. Pure: what is asked goes in, data comes out, so that it
//! can be compared. Devices are no settings; they have a module of their own.

mod blkio;
mod cpu;
mod memory;
mod others;

#[cfg(test)]
pub use cpu::weight as cpu_weight;

use super::error::{Error, Result};
use oci_spec::runtime::LinuxResources;

/// Which of the kernel's two interfaces a controller is offered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// A hierarchy of its own.
    V1,
    /// The unified hierarchy.
    V2,
}

/// One write to one cgroup file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// The hierarchy's controller as v1 names it ("blkio" also for `io`), or "" for the unified hierarchy.
    pub controller: &'static str,
    /// Whose file it is.
    pub version: Version,
    /// The file's name.
    pub file: String,
    /// The value.
    pub value: String,
    /// The JSON path of the property that asks for it.
    pub setting: String,
    /// What a refusal means.
    pub otherwise: Otherwise,
}

/// What to do when the kernel refuses a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Otherwise {
    /// Fail.
    Fail,
    /// A kernel without the file has what is asked anyway: go on at ENOENT.
    Skip,
    /// The value doesn't fit the current value of a later write's file: at EINVAL try again after those.
    Later,
    /// At ENOENT write this value to this file instead.
    Use(&'static str, String),
}

/// What [`settings`] gives.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// In the order in which they are to be written.
    pub writes: Vec<Write>,
    /// JSON paths of what is asked and has no counterpart in cgroup v2. The spec lets a runtime ignore these.
    pub ignored: Vec<&'static str>,
}

/// Compiles `resources` for a host where `version` tells who offers a controller (named as in v1; "" for the
/// unified hierarchy), or `None`. `version` is asked only for controllers that a limit needs.
pub fn settings(
    resources: &LinuxResources,
    version: &dyn Fn(&'static str) -> Option<Version>,
) -> Result<Settings> {
    let mut out = Sink { settings: Settings::default(), version };
    if let Some(cpuset) = resources.cpu() {
        cpu::cpuset(cpuset, &mut out)?;
    }
    if let Some(memory) = resources.memory() {
        memory::memory(memory, &mut out)?;
    }
    if let Some(cpu) = resources.cpu() {
        cpu::cpu(cpu, &mut out)?;
    }
    if let Some(pids) = resources.pids() {
        others::pids(pids, &mut out)?;
    }
    if let Some(blkio) = resources.block_io() {
        blkio::blkio(blkio, &mut out)?;
    }
    others::hugetlb(resources.hugepage_limits().as_deref().unwrap_or_default(), &mut out)?;
    if let Some(network) = resources.network() {
        others::network(network, &mut out)?;
    }
    if let Some(rdma) = resources.rdma() {
        others::rdma(rdma, &mut out)?;
    }
    if let Some(unified) = resources.unified() {
        others::unified(unified, &mut out)?;
    }
    Ok(out.settings)
}

/// The real-time share of v1, which has to be there before a real-time process may enter the cgroup.
pub(super) fn realtime(
    resources: &LinuxResources,
    version: &dyn Fn(&'static str) -> Option<Version>,
) -> Result<Settings> {
    let mut out = Sink { settings: Settings::default(), version };
    if let Some(cpu) = resources.cpu() {
        cpu::realtime(cpu, &mut out)?;
    }
    Ok(out.settings)
}

/// Where the modules of the controllers put what they found.
struct Sink<'a> {
    settings: Settings,
    version: &'a dyn Fn(&'static str) -> Option<Version>,
}

impl Sink<'_> {
    /// The writes of one controller: asks for its version only if `setting` is set.
    fn controller(&mut self, name: &'static str, setting: &str) -> Result<Controller<'_>> {
        match (self.version)(name) {
            Some(version) => Ok(Controller { name, version, settings: &mut self.settings }),
            None => {
                let controller = if name.is_empty() { "unified" } else { name }.to_owned();
                Err(Error::NoController { setting: setting.to_owned(), controller })
            }
        }
    }
}

/// The writes of one controller, which is there.
struct Controller<'a> {
    name: &'static str,
    version: Version,
    settings: &'a mut Settings,
}

impl Controller<'_> {
    fn is_v2(&self) -> bool {
        self.version == Version::V2
    }

    fn write(&mut self, file: impl Into<String>, value: impl ToString, setting: impl Into<String>) {
        self.write_or(Otherwise::Fail, file, value, setting);
    }

    fn write_or(
        &mut self,
        otherwise: Otherwise,
        file: impl Into<String>,
        value: impl ToString,
        setting: impl Into<String>,
    ) {
        let (controller, version) = (self.name, self.version);
        let (file, value, setting) = (file.into(), value.to_string(), setting.into());
        self.settings.writes.push(Write { controller, version, file, value, setting, otherwise });
    }

    fn ignore(&mut self, setting: &'static str) {
        self.settings.ignored.push(setting);
    }
}

/// The first property that is set: what to name when the controller is missing.
fn first_set<'a>(properties: &[(&'a str, bool)]) -> Option<&'a str> {
    properties.iter().find(|(_, set)| *set).map(|(name, _)| *name)
}
