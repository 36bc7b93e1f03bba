//! containerd and its command ctr.

use skeg_tests::{Invocation, host, need_root};

use crate::image;
use crate::world::{Daemon, World};

/// A containerd with one image.
struct Containerd {
    // Dropped in this order: the daemon ends before its world.
    _daemon: Daemon,
    world: World,
}

impl Containerd {
    fn start() -> Self {
        let world = World::enter();
        let config = format!(
            "version = 2\nroot = \"{0}/root\"\nstate = \"{0}/state\"\n\
             disabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n\
             [grpc]\naddress = \"{0}/containerd.sock\"\n[ttrpc]\naddress = \"{0}/containerd.sock.ttrpc\"\n",
            world.path(".")
        );
        std::fs::write(world.file("config.toml"), config).expect("write");
        let daemon = world.daemon("containerd", &["--config", &world.path("config.toml")]);
        let containerd = Self { _daemon: daemon, world };
        let archive = image::archive(&containerd.world).display().to_string();
        containerd.ctr(&["images", "import", &archive]).finish().ok();
        containerd
    }

    /// The namespace is the name of the containers' parent cgroup.
    fn ctr(&self, words: &[&str]) -> Invocation {
        let socket = self.world.path("./containerd.sock");
        Invocation::new("ctr").args(["--address", &socket, "--namespace", &self.world.id]).args(words)
    }

    fn run(&self, options: &[&str], id: &str, words: &[&str]) -> Invocation {
        let runtime = host::runtime().display().to_string();
        let root = self.world.path("runtime-root");
        let start = ["run", "--runc-binary", &runtime, "--runc-root", &root];
        let image = format!("docker.io/library/{}:latest", image::NAME);
        self.ctr(&[&start, options, &[&image, id], words].concat())
    }
}

#[test]
fn ctr_run_prints_what_the_program_prints() {
    need_root!();
    let containerd = Containerd::start();
    assert_eq!(containerd.run(&["--rm"], "some", &["echo", "hi"]).finish().ok().stdout, "hi\n");
    containerd.world.no_containers();
}

#[test]
fn ctr_run_passes_the_exit_code_on() {
    need_root!();
    let containerd = Containerd::start();
    containerd.run(&["--rm"], "some", &["probe", "exit", "42"]).finish().exits(42);
    containerd.world.no_containers();
}

#[test]
fn ctr_shows_why_a_program_cannot_start() {
    need_root!();
    let containerd = Containerd::start();
    let output = containerd.run(&["--rm"], "some", &["missing"]).finish().exits(1);
    assert!(output.stderr.contains("executable file not found in $PATH"), "{output}");
    containerd.world.no_containers();
}

#[test]
fn ctr_execs_lists_pauses_and_kills() {
    need_root!();
    let containerd = Containerd::start();
    containerd.run(&["-d"], "some", &["probe", "pause"]).finish().ok();
    let exec = containerd.ctr(&["task", "exec", "--exec-id", "second", "some", "echo", "hi"]).finish().ok();
    assert_eq!(exec.stdout, "hi\n");
    let pids = containerd.ctr(&["task", "ps", "some"]).finish().ok();
    assert_eq!(pids.stdout.lines().count(), 2, "{pids}");
    containerd.ctr(&["task", "pause", "some"]).finish().ok();
    assert!(containerd.ctr(&["task", "ls"]).finish().ok().stdout.contains("PAUSED"));
    containerd.ctr(&["task", "resume", "some"]).finish().ok();
    containerd.ctr(&["task", "kill", "-s", "SIGKILL", "some"]).finish().ok();
    containerd.ctr(&["task", "delete", "--force", "some"]).finish();
    containerd.ctr(&["container", "delete", "some"]).finish().ok();
    containerd.world.no_containers();
}
