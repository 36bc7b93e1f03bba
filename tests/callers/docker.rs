//! dockerd and the docker command.

use skeg_tests::pty::Terminal;
use skeg_tests::{Invocation, Output, host, need_root};

use crate::image;
use crate::world::{Daemon, World};

/// A dockerd with one image, whose only added runtime is the one under test.
struct Docker {
    // Dropped in this order: the daemon ends before its world.
    _daemon: Daemon,
    world: World,
}

impl Docker {
    fn start() -> Self {
        let world = World::enter();
        let socket = format!("unix://{}", world.path("docker.sock"));
        let daemon = world.daemon(
            "dockerd",
            &[
                "--host",
                &socket,
                "--data-root",
                &world.path("data"),
                "--exec-root",
                &world.path("exec"),
                "--pidfile",
                &world.path("docker.pid"),
                "--cgroup-parent",
                &format!("/{}", world.id),
                "--add-runtime",
                &format!("under-test={}", host::runtime().display()),
            ],
        );
        let docker = Self { _daemon: daemon, world };
        let archive = image::archive(&docker.world).display().to_string();
        docker.command(&["load", "-i", &archive]).finish().ok();
        docker
    }

    fn command(&self, words: &[&str]) -> Invocation {
        let socket = format!("unix://{}", self.world.path("docker.sock"));
        let docker = Invocation::new("docker").args(words).env("DOCKER_HOST", socket);
        docker.env("DOCKER_CONFIG", self.world.path("client"))
    }

    fn run(&self, options: &[&str], words: &[&str]) -> Invocation {
        let start = ["run", "--runtime", "under-test"];
        self.command(&[&start, options, &[image::NAME], words].concat())
    }

    /// `run --rm`, to the end.
    fn once(&self, options: &[&str], words: &[&str]) -> Output {
        let output = self.run(&[&["--rm"], options].concat(), words).finish();
        self.world.no_containers();
        output
    }

    /// A container that runs until it is stopped.
    #[track_caller]
    fn running(&self, name: &str, options: &[&str]) {
        let options = [&["-d", "--name", name], options].concat();
        self.run(&options, &["probe", "pause"]).finish().ok();
    }

    #[track_caller]
    fn inspect(&self, name: &str, format: &str) -> String {
        self.command(&["inspect", "-f", format, name]).finish().ok().stdout.trim_end().to_owned()
    }

    #[track_caller]
    fn remove(&self, name: &str) {
        self.command(&["rm", "-f", name]).finish().ok();
        self.world.no_containers();
    }
}

#[test]
fn docker_run_prints_what_the_program_prints() {
    need_root!();
    assert_eq!(Docker::start().once(&[], &["echo", "hi"]).ok().stdout, "hi\n");
}

#[test]
fn docker_run_passes_the_exit_code_on() {
    need_root!();
    Docker::start().once(&[], &["probe", "exit", "42"]).exits(42);
}

#[test]
fn docker_tells_a_missing_program_from_one_it_may_not_run() {
    need_root!();
    let docker = Docker::start();
    docker.once(&[], &["missing"]).exits(127);
    docker.once(&[], &["/missing"]).exits(127);
    docker.once(&[], &["/etc/plain"]).exits(126);
}

#[test]
fn docker_run_with_a_terminal_can_be_typed_into() {
    need_root!();
    let docker = Docker::start();
    let (mut terminal, slave) = Terminal::open(24, 80);
    let words = ["sh", "-c", "echo ready; read -r line; echo got:$line; exit 5"];
    let mut run = docker.run(&["--rm", "-it"], &words).terminal(slave).spawn();
    terminal.wait_for("ready");
    terminal.type_in("hello\n");
    terminal.wait_for("got:hello");
    assert_eq!(run.wait(), 5);
}

#[test]
fn docker_passes_a_change_of_size_on() {
    need_root!();
    let docker = Docker::start();
    let (mut terminal, slave) = Terminal::open(24, 80);
    let mut run = docker.run(&["--rm", "-it"], &["probe", "pause"]).terminal(slave).spawn();
    terminal.wait_for("ready");
    terminal.resize(50, 132);
    // Between its first question for the size and its first look at the signal, docker misses a change.
    while !terminal.shows_soon("size \"50x132\"") {
        terminal.resize(24, 80);
        terminal.resize(50, 132);
    }
    terminal.type_in("\x03");
    assert_eq!(run.wait(), 0);
}

#[test]
fn docker_exec_runs_in_the_container() {
    need_root!();
    let docker = Docker::start();
    docker.running("some", &["--hostname", "inside"]);
    assert_eq!(docker.command(&["exec", "some", "hostname"]).finish().ok().stdout, "inside\n");
    docker.command(&["exec", "some", "probe", "exit", "9"]).finish().exits(9);
    // 20.10 says 126 here, and shows the message on stdout.
    let missing = docker.command(&["exec", "some", "missing"]).finish();
    assert!([126, 127].contains(&missing.code), "{missing}");
    assert!(missing.to_string().contains("executable file not found in $PATH"), "{missing}");
    docker.remove("some");
}

#[test]
fn docker_exec_with_a_terminal_can_be_typed_into() {
    need_root!();
    let docker = Docker::start();
    docker.running("some", &[]);
    let (mut terminal, slave) = Terminal::open(24, 80);
    let words = ["exec", "-it", "some", "sh", "-c", "echo ready; read -r line; echo got:$line"];
    let mut exec = docker.command(&words).terminal(slave).spawn();
    terminal.wait_for("ready");
    terminal.type_in("hello\n");
    terminal.wait_for("got:hello");
    assert_eq!(exec.wait(), 0);
    docker.remove("some");
}

#[test]
fn docker_limits_memory() {
    need_root!();
    let file = if host::has_cgroup_v1() { "memory/memory.limit_in_bytes" } else { "memory.max" };
    let path = format!("/sys/fs/cgroup/{file}");
    assert_eq!(Docker::start().once(&["--memory", "64m"], &["cat", &path]).ok().stdout, "67108864\n");
}

#[test]
fn docker_limits_pids() {
    need_root!();
    assert_eq!(Docker::start().once(&["--pids-limit", "20"], &["probe", "fork", "50"]).ok().stdout, "19\n");
}

#[test]
fn docker_makes_the_root_read_only() {
    need_root!();
    let output = Docker::start().once(&["--read-only"], &["touch", "/tmp/made"]).exits(1);
    assert!(output.stderr.contains("Read-only file system"), "{output}");
}

#[test]
fn docker_drops_all_capabilities() {
    need_root!();
    let seen = Docker::start().once(&["--cap-drop", "ALL"], &["probe", "see", "caps"]).ok().json();
    for set in ["CapBnd", "CapPrm", "CapEff", "CapInh", "CapAmb"] {
        assert_eq!(seen["caps"][set], "0000000000000000", "{set}");
    }
}

#[test]
fn docker_chooses_the_user() {
    need_root!();
    let seen = Docker::start().once(&["--user", "1000"], &["probe", "see", "ids"]).ok().json();
    assert_eq!(seen["ids"]["uid"], 1000);
}

#[test]
fn docker_loads_its_seccomp_profile() {
    need_root!();
    let blocked = format!("syscall:{}", libc::SYS_reboot);
    let seen = Docker::start().once(&[], &["probe", "see", "seccomp", &blocked]).ok().json();
    assert_eq!(seen["seccomp"]["Seccomp"], "2");
    assert_eq!(seen[blocked]["error"], "EPERM");
}

#[test]
fn docker_mounts_volumes() {
    need_root!();
    let docker = Docker::start();
    let shared = docker.world.path("shared");
    std::fs::create_dir(&shared).unwrap();
    let volume = format!("{shared}:/data");
    docker.once(&["-v", &volume], &["touch", "/data/made"]).ok();
    assert!(docker.world.file("shared/made").exists());
    let volume = format!("{shared}:/data:ro");
    docker.once(&["-v", &volume], &["touch", "/data/other"]).exits(1);
}

#[test]
fn docker_connects_two_containers_by_its_bridge() {
    need_root!();
    let docker = Docker::start();
    docker.running("some", &["--network", "bridge"]);
    let address = docker.inspect("some", "{{.NetworkSettings.IPAddress}}");
    docker.run(&["--rm", "--network", "bridge"], &["ping", "-c", "1", "-W", "5", &address]).finish().ok();
    docker.remove("some");
}

#[test]
fn docker_pauses_and_goes_on() {
    need_root!();
    let docker = Docker::start();
    docker.running("some", &[]);
    docker.command(&["pause", "some"]).finish().ok();
    assert_eq!(docker.inspect("some", "{{.State.Status}}"), "paused");
    docker.command(&["unpause", "some"]).finish().ok();
    assert_eq!(docker.inspect("some", "{{.State.Status}}"), "running");
    docker.remove("some");
}

#[test]
fn docker_updates_limits() {
    need_root!();
    let docker = Docker::start();
    docker.running("some", &["--memory", "64m", "--memory-swap", "64m"]);
    docker.command(&["update", "--memory", "128m", "--memory-swap", "256m", "some"]).finish().ok();
    let file = if host::has_cgroup_v1() { "memory/memory.limit_in_bytes" } else { "memory.max" };
    let path = format!("/sys/fs/cgroup/{file}");
    assert_eq!(docker.command(&["exec", "some", "cat", &path]).finish().ok().stdout, "134217728\n");
    docker.remove("some");
}

#[test]
fn docker_stops_with_the_signal_the_program_handles() {
    need_root!();
    let docker = Docker::start();
    docker.running("some", &[]);
    docker.command(&["stop", "-t", "30", "some"]).finish().ok();
    assert_eq!(docker.inspect("some", "{{.State.ExitCode}}"), "0");
    let logs = docker.command(&["logs", "some"]).finish().ok();
    assert_eq!(logs.stdout, "ready\nsignal 15\n");
    docker.remove("some");
}

#[test]
fn docker_kills() {
    need_root!();
    let docker = Docker::start();
    docker.running("some", &[]);
    docker.command(&["kill", "-s", "USR1", "some"]).finish().ok();
    docker.command(&["kill", "some"]).finish().ok();
    assert_eq!(docker.command(&["wait", "some"]).finish().ok().stdout, "137\n");
    docker.remove("some");
}

#[test]
fn docker_starts_a_stopped_container_again() {
    need_root!();
    let docker = Docker::start();
    docker.run(&["--name", "some"], &["echo", "hi"]).finish().ok();
    assert_eq!(docker.command(&["start", "-a", "some"]).finish().ok().stdout, "hi\n");
    docker.remove("some");
}

#[test]
fn docker_shows_the_processes_of_a_container() {
    need_root!();
    let docker = Docker::start();
    docker.running("some", &[]);
    let top = docker.command(&["top", "some"]).finish().ok();
    assert!(top.stdout.contains("probe pause"), "{top}");
    docker.remove("some");
}

#[test]
fn docker_sets_limits_and_mounts_tmpfs() {
    need_root!();
    let options =
        ["--cpus", "0.5", "--ulimit", "nofile=512:512", "--tmpfs", "/scratch:size=1m", "--shm-size", "8m"];
    let seen = Docker::start().once(&options, &["probe", "see", "rlimits", "statfs:/scratch"]).ok().json();
    assert_eq!(seen["rlimits"]["RLIMIT_NOFILE"], skeg_tests::json!([512, 512]));
    assert_eq!(seen["statfs:/scratch"], "0x1021994");
}
