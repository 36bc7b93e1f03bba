//! The programs that call a runtime, each started for real from Debian's packages: dockerd, containerd, podman.
//!
//! Every test has a world of its own: mount, network and pid namespaces, copy-on-write /etc and /var/lib, an empty
//! /run. So nothing of the daemons is left when it ends, and none of the machine's own is touched.

mod containerd;
mod docker;
mod image;
mod podman;
mod world;
