//! `linux.netDevices`: network devices of the host that the container gets (config-linux.md, "Network Devices").

mod netlink;

use crate::errno::words;
use netlink::Socket;
use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};
use nix::unistd::Pid;
use oci_spec::runtime::Spec;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;

/// Why a device could not be moved. It, and those before it, are where they were.
#[derive(Debug, thiserror::Error)]
#[error("linux.netDevices[{device:?}]: {what}: {}", words(*errno))]
pub struct Error {
    device: String,
    what: &'static str,
    errno: Errno,
}

/// A device that has been moved.
struct Moved<'a> {
    index: i32,
    before: &'a str,
}

/// The two network namespaces, each with a socket that was opened in it.
struct Namespaces {
    host: (File, Socket),
    container: (File, Socket),
}

/// Moves the devices into the network namespace of `pid`, where they have the names that the config gives them, their
/// addresses, and are up.
pub fn move_devices(spec: &Spec, pid: Pid) -> Result<(), Error> {
    let Some(devices) = spec.linux().as_ref().and_then(|linux| linux.net_devices().as_ref()) else {
        return Ok(());
    };
    if devices.is_empty() {
        return Ok(());
    }
    let mut devices: Vec<_> = devices.iter().collect();
    devices.sort_unstable_by_key(|(name, _)| *name);
    let namespaces = Namespaces::open(pid).map_err(|errno| Error {
        device: devices.first().map(|(name, _)| (*name).clone()).unwrap_or_default(),
        what: "open the network namespace",
        errno,
    })?;
    let mut moved = Vec::new();
    for (before, device) in devices {
        let after = device.name().as_deref().filter(|name| !name.is_empty()).unwrap_or(before);
        let outcome = namespaces.take(before, after, &mut moved);
        if let Err((what, errno)) = outcome {
            namespaces.give_back(&moved);
            return Err(Error { device: before.clone(), what, errno });
        }
    }
    Ok(())
}

impl Namespaces {
    fn open(pid: Pid) -> Result<Self, Errno> {
        let file = |path: String| {
            File::open(path).map_err(|error: io::Error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))
        };
        let (host, container) = (file("/proc/self/ns/net".to_owned())?, file(format!("/proc/{pid}/ns/net"))?);
        let here = Socket::open()?;
        // A socket stays in the namespace that it was opened in; this process has one thread.
        setns(container.as_fd(), CloneFlags::CLONE_NEWNET)?;
        let there = Socket::open();
        setns(host.as_fd(), CloneFlags::CLONE_NEWNET)?;
        Ok(Self { host: (host, here), container: (container, there?) })
    }

    fn take<'a>(
        &self,
        before: &'a str,
        after: &str,
        moved: &mut Vec<Moved<'a>>,
    ) -> Result<(), (&'static str, Errno)> {
        let failed = |what| move |errno| (what, errno);
        let ((_, here), (namespace, there)) = (&self.host, &self.container);
        let device = here.index_of(before).map_err(failed("find the device"))?;
        let addresses = here.addresses_of(device).map_err(failed("read its addresses"))?;
        if let Err(errno) = here.move_device(device, namespace.as_fd(), after) {
            // The kernel moves first and then finds that it can't rename.
            moved.extend(there.index_of(before).ok().map(|index| Moved { index, before }));
            return Err(("move it into the container's network namespace", errno));
        }
        let index = there.index_of(after).map_err(failed("find it in the container"))?;
        moved.push(Moved { index, before });
        for address in &addresses {
            there.add_address(index, address).map_err(failed("give it its address"))?;
        }
        there.bring_up(index).map_err(failed("bring it up"))
    }

    /// Best effort: the error to report is why the start failed.
    fn give_back(&self, moved: &[Moved<'_>]) {
        for device in moved.iter().rev() {
            let back = self.container.1.move_device(device.index, self.host.0.as_fd(), device.before);
            if let Err(errno) = back {
                log::warn!("network device {} could not be given back: {}", device.before, words(errno));
            }
        }
    }
}
