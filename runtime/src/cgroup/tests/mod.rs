//! Tests of the cgroup module: decisions as data, and effects on this machine's cgroup file systems.

mod devices;
mod host;
mod live;
mod paths;
mod settings;
mod unprivileged;
mod update;

use oci_spec::runtime::LinuxResources;

/// Resources as config.json has them.
fn resources(json: &str) -> LinuxResources {
    serde_json::from_str(json).expect("resources")
}
