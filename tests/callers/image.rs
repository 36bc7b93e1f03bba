//! An image made by hand: busybox in an archive as `docker save` writes it, which all callers can read.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use serde_json::json;
use skeg_tests::{Invocation, host};

use crate::world::World;

/// The image's name, as docker and podman say it.
pub const NAME: &str = "skegtest";

const APPLETS: [&str; 18] = [
    "sh", "echo", "cat", "sleep", "ping", "id", "ls", "touch", "hostname", "true", "false", "grep", "stat",
    "wc", "env", "tty", "stty", "ip",
];

/// Makes the archive; its path.
pub fn archive(world: &World) -> PathBuf {
    let root = world.file("image");
    for directory in ["bin", "etc", "tmp", "root"] {
        fs::create_dir_all(root.join(directory)).expect("mkdir");
    }
    fs::copy("/bin/busybox", root.join("bin/busybox")).expect("busybox-static is installed");
    fs::copy(host::probe(), root.join("bin/probe")).expect("the probe");
    for applet in APPLETS {
        symlink("busybox", root.join("bin").join(applet)).expect("symlink");
    }
    fs::write(root.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\n").expect("write");
    fs::write(root.join("etc/plain"), "no program").expect("write");
    let parts = world.file("archive");
    fs::create_dir(&parts).expect("mkdir");
    tar(&root.display().to_string(), &parts.join("layer.tar").display().to_string(), &["."]);
    let config = json!({
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
        "os": "linux",
        "config": {"Cmd": ["sh"], "Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", sha256(&parts.join("layer.tar")))]},
        "history": [{"created_by": "skeg's tests"}],
    });
    fs::write(parts.join("config.json"), config.to_string()).expect("write");
    let name = format!("{}.json", sha256(&parts.join("config.json")));
    fs::rename(parts.join("config.json"), parts.join(&name)).expect("rename");
    let manifest = json!([{"Config": name, "RepoTags": [format!("{NAME}:latest")], "Layers": ["layer.tar"]}]);
    fs::write(parts.join("manifest.json"), manifest.to_string()).expect("write");
    let archive = world.file("archive.tar");
    let to = archive.display().to_string();
    tar(&parts.display().to_string(), &to, &["manifest.json", &name, "layer.tar"]);
    archive
}

fn tar(from: &str, to: &str, what: &[&str]) {
    Invocation::new("tar").args(["-C", from, "--owner=0", "--group=0", "-cf", to]).args(what).finish().ok();
}

fn sha256(path: &std::path::Path) -> String {
    let sum = Invocation::new("sha256sum").arg(path).finish().ok().stdout;
    sum.split_whitespace().next().expect("a sum").to_owned()
}
