//! podman, which has no daemon but leaves conmon with the container.

use skeg_tests::pty::Terminal;
use skeg_tests::{Invocation, Output, host, need_root};

use crate::image;
use crate::world::World;

/// podman's options that keep it within this machine's limits: its defaults are above them without CAP_SYS_RESOURCE.
const ULIMITS: [&str; 4] = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000"];

/// A podman with storage of its own and one image.
struct Podman {
    world: World,
}

impl Podman {
    fn new() -> Self {
        let podman = Self { world: World::enter() };
        std::fs::create_dir(podman.world.file("tmp")).expect("mkdir");
        let archive = image::archive(&podman.world).display().to_string();
        podman.command(&["load", "-i", &archive]).finish().ok();
        podman
    }

    fn command(&self, words: &[&str]) -> Invocation {
        let runtime = host::runtime().display().to_string();
        let directories = [
            "--root",
            &self.world.path("root"),
            "--runroot",
            &self.world.path("run"),
            "--tmpdir",
            &self.world.path("tmp"),
        ];
        let podman = Invocation::new("podman").args(directories).env("TMPDIR", self.world.path("tmp"));
        podman.args(["--cgroup-manager", "cgroupfs", "--runtime", &runtime]).args(words)
    }

    fn run(&self, options: &[&str], words: &[&str]) -> Invocation {
        let parent = format!("/{}", self.world.id);
        let start = ["run", "--cgroup-parent", &parent];
        self.command(&[&start, &ULIMITS[..], options, &[image::NAME], words].concat())
    }

    fn once(&self, words: &[&str]) -> Output {
        self.run(&["--rm", "--network", "none"], words).finish()
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        // Ends conmon too; the storage's mounts would keep the world's directory busy.
        self.command(&["rm", "-f", "-a", "-t", "0"]).finish();
        self.command(&["unshare", "true"]).finish();
    }
}

#[test]
fn podman_run_prints_what_the_program_prints() {
    need_root!();
    assert_eq!(Podman::new().once(&["echo", "hi"]).ok().stdout, "hi\n");
}

#[test]
fn podman_run_passes_the_exit_code_on() {
    need_root!();
    Podman::new().once(&["probe", "exit", "42"]).exits(42);
}

#[test]
fn podman_tells_a_missing_program_from_one_it_may_not_run() {
    need_root!();
    let podman = Podman::new();
    podman.once(&["missing"]).exits(127);
    podman.once(&["/etc/plain"]).exits(126);
}

#[test]
fn podman_connects_a_container_to_its_network() {
    need_root!();
    let output = Podman::new().run(&["--rm"], &["ip", "addr", "show", "eth0"]).finish().ok();
    assert!(output.stdout.contains("inet "), "{output}");
}

#[test]
fn podman_run_with_a_terminal_can_be_typed_into() {
    need_root!();
    let podman = Podman::new();
    let (mut terminal, slave) = Terminal::open(24, 80);
    let words = ["sh", "-c", "echo ready; read -r line; echo got:$line; exit 5"];
    let mut run = podman.run(&["--rm", "-it", "--network", "none"], &words).terminal(slave).spawn();
    terminal.wait_for("ready");
    terminal.type_in("hello\n");
    terminal.wait_for("got:hello");
    assert_eq!(run.wait(), 5);
}

#[test]
fn podman_execs_pauses_and_stops() {
    need_root!();
    let podman = Podman::new();
    let options = ["-d", "--name", "some", "--network", "none", "--memory", "64m"];
    podman.run(&options, &["probe", "pause"]).finish().ok();
    assert_eq!(podman.command(&["exec", "some", "echo", "hi"]).finish().ok().stdout, "hi\n");
    podman.command(&["exec", "some", "probe", "exit", "9"]).finish().exits(9);
    podman.command(&["pause", "some"]).finish().ok();
    podman.command(&["unpause", "some"]).finish().ok();
    podman.command(&["stop", "-t", "30", "some"]).finish().ok();
    assert_eq!(podman.command(&["wait", "some"]).finish().ok().stdout, "0\n");
    assert_eq!(podman.command(&["logs", "some"]).finish().ok().stdout, "ready\nsignal 15\n");
    podman.command(&["rm", "some"]).finish().ok();
}
