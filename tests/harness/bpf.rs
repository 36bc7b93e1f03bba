//! The BPF programs that the kernel has loaded.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use crate::sys;

/// A hash of a program's instructions: two programs with the same one do the same.
pub type Tag = String;

/// The tags of the device programs that are attached to a cgroup of version 2.
pub fn attached_to(cgroup: &Path) -> Vec<Tag> {
    let directory = fs::File::open(cgroup).expect("a cgroup");
    let ids = sys::attached_device_programs(&directory).expect("BPF_PROG_QUERY");
    ids.into_iter().filter_map(tag).collect()
}

/// How many programs with this tag there are on this machine, attached or not.
pub fn count(tag: &Tag) -> usize {
    let mut found = 0;
    let mut id = 0;
    while let Some(next) = sys::next_bpf_program(id).expect("BPF_PROG_GET_NEXT_ID") {
        found += usize::from(self::tag(next).as_ref() == Some(tag));
        id = next;
    }
    found
}

/// None: it is no longer there.
fn tag(id: u32) -> Option<Tag> {
    let program =
        sys::bpf_program(id).map_err(|error| assert_eq!(error.kind(), io::ErrorKind::NotFound)).ok()?;
    Some(field(&program, "prog_tag:"))
}

fn field(program: &OwnedFd, name: &str) -> String {
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", program.as_raw_fd())).expect("/proc");
    info.lines().find_map(|line| line.strip_prefix(name)).expect("a field of a program").trim().to_owned()
}
