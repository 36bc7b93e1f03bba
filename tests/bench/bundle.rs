//! The bundles: one root filesystem for all, and a config.json for each contestant and kind of container.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use crate::host::PREFIX;

/// What `runc spec` writes, on a machine with version 2 of cgroups; `args` and `terminal` as the benchmark needs them.
const DEFAULT: &str = include_str!("../fixtures/bench/default-config.json");
/// What Docker 20.10 gives its runtime for `docker run --network none IMAGE /bin/true`, the daemon's hook left out.
const DOCKER: &str = include_str!("../fixtures/bench/docker-config.json");

/// The configs, by the names of their bundles: `runc spec`'s with `/bin/true`, the same waiting for ever, Docker's, the
/// same without its seccomp profile.
pub const CONFIGS: [&str; 4] = ["default", "waiting", "docker", "docker-unconfined"];

/// Makes the root filesystem: `/bin/true` is the empty static program, and the mount points exist as in any image.
pub fn make_rootfs(rootfs: &Path, empty: &Path) -> io::Result<()> {
    for dir in ["bin", "dev", "etc", "proc", "sys", "tmp"] {
        fs::create_dir_all(rootfs.join(dir))?;
    }
    for file in ["resolv.conf", "hostname", "hosts"] {
        fs::write(rootfs.join("etc").join(file), "")?;
    }
    let program = rootfs.join("bin/true");
    fs::copy(empty, &program)?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))
}

/// Writes one contestant's bundles below `bundles`.
pub fn make_bundles(bundles: &Path, contestant: &str, rootfs: &Path, pure_v2: bool) -> io::Result<()> {
    for name in CONFIGS {
        let dir = bundles.join(name);
        fs::create_dir_all(&dir)?;
        let mut config: Value =
            serde_json::from_str(if name.starts_with("docker") { DOCKER } else { DEFAULT })?;
        if let (true, Some(linux)) = (name == "docker-unconfined", config["linux"].as_object_mut()) {
            linux.remove("seccomp");
        }
        config["root"]["path"] = json!(rootfs);
        config["linux"]["cgroupsPath"] = json!(format!("/{PREFIX}{contestant}-{name}"));
        config["process"]["args"] =
            if name == "waiting" { json!(["/bin/true", "wait"]) } else { json!(["/bin/true"]) };
        set_cgroup_namespace(&mut config, pure_v2);
        drop_zero_limits(&mut config);
        bind_own_files(&mut config, &dir)?;
        // As their authors write them: containerd in one line, `runc spec` for people.
        let text = match name.starts_with("docker") {
            true => serde_json::to_vec(&config)?,
            false => serde_json::to_vec_pretty(&config)?,
        };
        fs::write(dir.join("config.json"), text)?;
    }
    Ok(())
}

/// Both `runc spec` and Docker ask for a cgroup namespace on version 2 and for none on version 1.
fn set_cgroup_namespace(config: &mut Value, pure_v2: bool) {
    let Some(list) = config["linux"]["namespaces"].as_array_mut() else { return };
    list.retain(|namespace| namespace["type"] != "cgroup");
    if pure_v2 {
        list.push(json!({ "type": "cgroup" }));
    }
}

/// Docker writes limits of 0, which set nothing, but for which crun asks for controllers that version 2 does not have
/// on a machine where version 1 holds them.
fn drop_zero_limits(config: &mut Value) {
    if let Some(resources) = config["linux"]["resources"].as_object_mut() {
        for controller in ["memory", "cpu", "blockIO"] {
            resources.remove(controller);
        }
    }
}

/// Docker binds files of its own into the container: here they lie in the bundle.
fn bind_own_files(config: &mut Value, dir: &Path) -> io::Result<()> {
    for mount in config["mounts"].as_array_mut().into_iter().flatten() {
        if mount["type"] == "bind"
            && let Some(name) = mount["source"].as_str()
        {
            let file = dir.join(name);
            fs::write(&file, "127.0.0.1 localhost\n")?;
            mount["source"] = json!(file);
        }
    }
    Ok(())
}
