//! The standard streams of a process whose users are mapped.

use nix::sys::stat::{FileStat, SFlag, fstat};
use nix::unistd::{Pid, Uid, fchown};
use oci_spec::runtime::Process;
use std::os::fd::AsFd;

/// Gives the standard streams to the user that `process` is, in the user namespace of `pid`: the process may then open
/// them again by /dev/stdout. It is done here, since in its own user namespace nobody may; so only with pipes, sockets
/// and files without a name: another file or a terminal of the host's would be the container's from then on. runc makes
/// pipes for its own.
pub(super) fn give_to_mapped_user(pid: Pid, process: &Process) {
    if process.terminal().unwrap_or(false) {
        // Its streams are another terminal's.
        return;
    }
    let map = std::fs::read_to_string(format!("/proc/{pid}/uid_map")).unwrap_or_default();
    let Some(owner) = on_host(&map, process.user().uid()) else { return };
    let (stdin, stdout, stderr) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    for fd in [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()] {
        if fstat(fd).is_ok_and(|stat| is_of_the_callers_own(&stat)) {
            let _ = fchown(fd, Some(owner), None);
        }
    }
}

fn is_of_the_callers_own(stat: &FileStat) -> bool {
    match SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT {
        SFlag::S_IFIFO | SFlag::S_IFSOCK => true,
        SFlag::S_IFREG => stat.st_nlink == 0,
        _ => false,
    }
}

/// The user that `id` is in our own user namespace, by the lines of uid_map (user_namespaces(7)).
fn on_host(map: &str, id: u32) -> Option<Uid> {
    map.lines().find_map(|line| {
        let mut numbers = line.split_ascii_whitespace().map(str::parse::<u32>);
        let mut number = || numbers.next()?.ok();
        let (inside, outside, size) = (number()?, number()?, number()?);
        let offset = id.checked_sub(inside).filter(|offset| *offset < size)?;
        outside.checked_add(offset).map(Uid::from_raw)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_is_found_in_the_line_that_maps_it() {
        let map = "         0     100000       1000\n      1000     200000          1\n";
        assert_eq!(on_host(map, 0), Some(Uid::from_raw(100_000)));
        assert_eq!(on_host(map, 999), Some(Uid::from_raw(100_999)));
        assert_eq!(on_host(map, 1000), Some(Uid::from_raw(200_000)));
        assert_eq!(on_host(map, 1001), None);
    }

    #[test]
    fn namespace_without_a_map_has_no_user() {
        assert_eq!(on_host("", 0), None);
    }
}
