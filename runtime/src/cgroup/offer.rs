//! What this host's cgroups say to limits, with no cgroup made: for `skeg check`.

use super::dir::Dir;
use super::error::Error;
use super::layout::{Layout, ROOT};
use super::settings::{Otherwise, Settings, Version, settings};
use super::tree::v2_name;
use oci_spec::runtime::LinuxResources;
use std::path::Path;

/// Why limits can't be set here, and which have no effect here.
#[derive(Debug, Default)]
pub struct Answer {
    /// Each with the place in config.json.
    pub refused: Vec<Error>,
    /// JSON paths.
    pub ignored: Vec<&'static str>,
}

/// Asks whether `resources` could be set on a host of this layout.
pub fn ask(layout: &Layout, resources: &LinuxResources) -> Answer {
    let mut answer = Answer::default();
    let unified = match layout {
        Layout::V2 => Some(Path::new(ROOT)),
        Layout::Hybrid { unified, .. } => Some(unified.as_path()),
        Layout::V1(_) | Layout::None => None,
    };
    let offered = unified.and_then(|dir| Dir::new(dir).read("cgroup.controllers").ok()).unwrap_or_default();
    let version = |controller: &'static str| match (v1_mount(layout, controller), controller) {
        (Some(_), _) => Some(Version::V1),
        // Of a hybrid host it doesn't count for `unified`.
        (None, "") => (*layout == Layout::V2).then_some(Version::V2),
        (None, name) => offered.split_whitespace().any(|known| known == v2_name(name)).then_some(Version::V2),
    };
    // One by one: the first that is refused must not hide the others.
    for part in parts(resources) {
        match settings(&part, &version) {
            Err(error) => answer.refused.push(error),
            Ok(settings) => {
                answer.refused.extend(without_file(layout, &settings));
                answer.ignored.extend(settings.ignored);
            }
        }
    }
    answer
}

fn v1_mount<'l>(layout: &'l Layout, controller: &str) -> Option<&'l Path> {
    match layout {
        Layout::V1(v1) | Layout::Hybrid { v1, .. } => v1.get(controller).map(|mount| mount.as_path()),
        Layout::V2 | Layout::None => None,
    }
}

/// The limits of each controller by themselves.
fn parts(all: &LinuxResources) -> Vec<LinuxResources> {
    type Pick<'p> = &'p dyn Fn(&mut LinuxResources) -> &mut LinuxResources;
    let one = |pick: Pick<'_>| {
        let mut part = LinuxResources::default();
        pick(part.set_devices(None));
        part
    };
    vec![
        one(&|part| part.set_memory(*all.memory())),
        one(&|part| part.set_cpu(all.cpu().clone())),
        one(&|part| part.set_pids(*all.pids())),
        one(&|part| part.set_block_io(all.block_io().clone())),
        one(&|part| part.set_hugepage_limits(all.hugepage_limits().clone())),
        one(&|part| part.set_network(all.network().clone())),
        one(&|part| part.set_rdma(all.rdma().clone())),
        one(&|part| part.set_unified(all.unified().clone())),
    ]
}

/// Controllers of v1 whose root has every file that a container's cgroup has.
const COMPLETE_ROOT: [&str; 6] = ["blkio", "cpu", "cpuset", "memory", "net_cls", "net_prio"];

fn without_file(layout: &Layout, settings: &Settings) -> Vec<Error> {
    let needed = settings.writes.iter().filter(|write| {
        write.otherwise == Otherwise::Fail
            && write.version == Version::V1
            && COMPLETE_ROOT.contains(&write.controller)
    });
    needed
        .filter(|write| {
            v1_mount(layout, write.controller).is_some_and(|root| !root.join(&write.file).exists())
        })
        .map(|write| Error::setting(write.setting.clone(), format!("the kernel has no {}", write.file)))
        .collect()
}
