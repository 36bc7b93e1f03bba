//! What images, neighbours and the container itself try. attacks.txt says for each attack which tests show that it fails.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use skeg_tests::pty::Terminal;
use skeg_tests::{Bundle, Invocation, Value, host, json, leftovers, need_root, only_skeg};

use crate::races::Swapper;

/// Rows that name no test, and why.
const NO_TEST: [&str; 3] = ["VM", "not-built", "kernel"];

/// Where a test of the table is written: in the suite, or among the tests of the crate that it begins with.
fn sources(module: &str) -> Vec<PathBuf> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = |path: String| tests.join(path).with_extension("rs");
    match module.split_once("::") {
        Some(("nsexec", module)) => vec![file(format!("../nsexec/tests/run/{module}"))],
        Some(("skeg_proto", module)) => vec![file(format!("../proto/tests/wire/{module}"))],
        Some(("skeg", module)) => vec![file(format!("../runtime/src/{}", module.replace("::", "/")))],
        _ => vec![file(format!("suite/{module}"))],
    }
}

#[test]
fn every_attack_has_a_row_whose_tests_are_there() {
    let rows = include_str!("attacks.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let rows: BTreeMap<u32, Vec<&str>> = rows
        .map(|row| row.split_once(' ').expect("number and tests"))
        .map(|(number, tests)| (number.parse().expect("a number"), tests.split(' ').collect()))
        .collect();
    assert_eq!(rows.keys().copied().collect::<Vec<_>>(), (1..=40).collect::<Vec<_>>());
    for (number, tests) in rows {
        for test in tests.into_iter().filter(|test| !NO_TEST.contains(test)) {
            let (module, name) = test.rsplit_once("::").unwrap_or_else(|| panic!("{number}: {test}"));
            let is_there = sources(module).iter().any(|path| {
                let text =
                    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                text.contains(&format!("fn {name}()"))
            });
            assert!(is_there, "{number}: no test {test}");
        }
    }
}

/// The image's own /dev, instead of a new one.
fn with_own_dev(container: Bundle) -> Bundle {
    fs::create_dir(container.rootfs().join("dev")).unwrap();
    container.edit(|config| {
        let mounts = config["mounts"].as_array_mut().unwrap();
        mounts.retain(|mount| !mount["destination"].as_str().unwrap().starts_with("/dev"));
    })
}

/// A directory of the host with a file, neither of which may change.
struct Outside {
    directory: PathBuf,
    file: PathBuf,
}

impl Outside {
    fn beside(container: &Bundle) -> Self {
        let directory = container.file("outside");
        fs::create_dir(&directory).unwrap();
        let file = directory.join("file");
        fs::write(&file, "of the host").unwrap();
        Self { directory, file }
    }

    #[track_caller]
    fn is_unchanged(&self, what: &str) {
        let names: Vec<_> = fs::read_dir(&self.directory).unwrap().flatten().map(|e| e.file_name()).collect();
        assert_eq!(names, ["file"], "{what}");
        assert_eq!(fs::read_to_string(&self.file).unwrap(), "of the host", "{what}");
        let meta = fs::metadata(&self.file).unwrap();
        assert_eq!((meta.uid(), meta.gid(), meta.mode() & 0o7777), (0, 0, 0o644), "{what}");
    }
}

/// Seen failing with `close_from` taken out of nsexec's `exec` and `close_on_exec_from` out of `Kept::claim`: each of
/// them holds.
#[test]
fn interpreter_behind_a_leaked_descriptor_is_refused() {
    only_skeg!();
    need_root!();
    let container = Bundle::new().args(&["/script"]);
    let script = container.rootfs().join("script");
    fs::write(&script, "#!/proc/self/fd/9 say\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let interpreter = fs::File::open(host::probe()).unwrap();
    let run = container.command("run", &[]).give(interpreter.into(), 9).finish();
    assert_ne!(run.code, 0, "{run}");
    container.nothing_left();
}

/// CVE-2019-5736 as it was: the container's program is the runtime itself. Seen failing with openat(2) in the place of
/// openat2(2) in nsexec's `executable`: /proc/self/exe was found, and was nsexec.
#[test]
fn program_that_is_the_runtime_itself_gets_nothing_to_write_to() {
    only_skeg!();
    need_root!();
    let before = fs::read(host::runtime()).unwrap();
    let with_trap = |container: Bundle| {
        let trap = container.rootfs().join("trap");
        fs::write(&trap, "#!/proc/self/exe\n").unwrap();
        fs::set_permissions(&trap, fs::Permissions::from_mode(0o755)).unwrap();
        container
    };
    // The interpreter that the kernel finds is nsexec, in its memfd, with nothing to do.
    let nothing_to_do = 127;
    with_trap(Bundle::new().args(&["/proc/self/exe"])).run().exits(1);
    with_trap(Bundle::new().args(&["/trap"])).run().exits(nothing_to_do);
    let container = with_trap(Bundle::pausing()).running();
    container.exec(&["/proc/self/exe"]).exits(255);
    container.exec(&["/trap"]).exits(nothing_to_do);
    assert!(fs::read(host::runtime()).unwrap() == before);
}

/// CVE-2016-9962. In a user namespace of its own, where CAP_SYS_PTRACE reaches only what is dumpable. Seen failing with
/// `set_dumpable(false)` taken out of nsexec's `join`.
#[test]
fn stage_of_an_exec_can_not_be_looked_into() {
    only_skeg!();
    need_root!();
    let all = json!(["CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH", "CAP_SYS_ADMIN"]);
    let container = Bundle::probe(&["pry", "nsexec", "/stop"])
        .user_namespace(100_000)
        .set("/process/capabilities", json!({"bounding": all, "effective": all, "permitted": all}));
    container.create().ok();
    container.start().ok();
    assert_eq!(container.line(), "prying");
    for _ in 0..200 {
        container.exec(&["/probe", "exit", "0"]).ok();
    }
    fs::write(container.rootfs().join("stop"), "").unwrap();
    let seen: Value = serde_json::from_str(&container.line()).unwrap();
    assert!(seen["met"].as_u64().unwrap() > 10, "it was never there to be looked into: {seen}");
    assert_eq!(seen["got"], json!([]), "{seen}");
}

/// A neighbour in a shared PID namespace, root without a capability. Seen failing with `set_dumpable(true)` for whoever
/// waits for its mapping: the neighbour was let into the root directory, which is the host's.
#[test]
fn stage_beside_a_user_namespace_can_not_be_looked_into() {
    only_skeg!();
    need_root!();
    let neighbour = Bundle::probe(&["pry", "nsexec", "/stop"]).set("/process/capabilities", json!({}));
    neighbour.create().ok();
    neighbour.start().ok();
    assert_eq!(neighbour.line(), "prying");
    let shared = format!("/proc/{}/ns/pid", neighbour.pid());
    let container = Bundle::probe(&["exit", "0"]).namespace("pid", Some(&shared)).user_namespace(100_000);
    // A procfs belongs to the PID namespace's owner.
    let container =
        container.set("/mounts", json!([])).remove("/linux/maskedPaths").remove("/linux/readonlyPaths");
    for _ in 0..100 {
        container.run().ok();
    }
    fs::write(neighbour.rootfs().join("stop"), "").unwrap();
    let seen: Value = serde_json::from_str(&neighbour.line()).unwrap();
    assert!(seen["met"].as_u64().unwrap() > 10, "it was never there to be looked into: {seen}");
    assert_eq!(seen["got"], json!([]), "{seen}");
}

/// Seen failing without `set_dumpable(false)` in nsexec's `container`: a core lay in the image's root.
#[test]
fn stage_that_crashes_leaves_no_core() {
    only_skeg!();
    need_root!();
    // Init of a PID namespace would ignore the signal.
    let container = Bundle::pausing().without_namespace("pid").set("/root/readonly", false);
    container.detached(container.command("create", &[]).limit(libc::RLIMIT_CORE, 1 << 30)).ok();
    let before: Vec<_> = fs::read_dir(container.rootfs()).unwrap().flatten().map(|e| e.file_name()).collect();
    let pid = nix::unistd::Pid::from_raw(container.pid());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGSEGV).unwrap();
    container.wait();
    let after: Vec<_> = fs::read_dir(container.rootfs()).unwrap().flatten().map(|e| e.file_name()).collect();
    assert_eq!(after, before);
}

/// CVE-2019-19921, raced: what is at /proc is a procfs or nothing, and the sysctl is the container's own. Seen failing with
/// RESOLVE_NO_SYMLINKS taken out of `Symlinks::Refuse`: the procfs was elsewhere.
#[test]
fn proc_that_is_exchanged_for_a_symlink_is_a_procfs_or_nothing() {
    only_skeg!();
    need_root!();
    let sections = ["statfs:/proc", "read:/proc/sys/net/ipv4/ip_forward"];
    let container = Bundle::seeing(&sections).set("/linux/sysctl", json!({"net.ipv4.ip_forward": "1"}));
    let outside = Outside::beside(&container);
    let (proc, link) = (container.rootfs().join("proc"), container.rootfs().join("link"));
    fs::create_dir(&proc).unwrap();
    symlink(&outside.directory, &link).unwrap();
    let swapper = Swapper::start(proc, link);
    let mut real = 0;
    for _ in 0..200 {
        let run = container.command("run", &[]).private_mounts().finish();
        container.command("delete", &["--force"]).finish().ok();
        if run.code == 0 {
            let seen = run.json();
            // It may have been exchanged again before it is looked at.
            assert!(seen[sections[0]] == "0x9fa0" || seen[sections[0]]["error"] == "ENOENT", "{run}");
            real += u32::from(seen[sections[1]] == "1\n");
        }
    }
    drop(swapper);
    assert!(real > 0, "it was never there");
    outside.is_unchanged("proc");
    container.nothing_left();
}

/// Puts something else where the runtime expects a file of /dev.
fn set_trap(kind: &str, at: &Path, outside: &Outside) {
    match kind {
        "directory" => symlink(&outside.directory, at).unwrap(),
        "link" => symlink(&outside.file, at).unwrap(),
        "climb" => symlink("../../outside/file", at).unwrap(),
        "hardlink" => fs::hard_link(&outside.file, at).unwrap(),
        "file" => fs::write(at, "").unwrap(),
        "fifo" => nix::unistd::mkfifo(at, Mode::S_IRWXU).unwrap(),
        _ => mknod(at, SFlag::S_IFCHR, Mode::S_IRWXU, makedev(1, 5)).unwrap(),
    }
}

/// Seen failing with RESOLVE_IN_ROOT taken out of nsexec/src/inside.rs.
#[test]
fn traps_in_the_images_dev_lead_nowhere() {
    only_skeg!();
    need_root!();
    for place in ["", "pts", "shm", "ptmx", "console", "null", "fd"] {
        for kind in ["directory", "link", "climb", "hardlink", "file", "fifo", "zero"] {
            let container = with_own_dev(Bundle::seeing(&["cwd"]));
            let outside = Outside::beside(&container);
            let dev = container.rootfs().join("dev");
            let trap = if place.is_empty() { dev.clone() } else { dev.join(place) };
            if place.is_empty() {
                fs::remove_dir(&dev).unwrap();
            }
            set_trap(kind, &trap, &outside);
            // Refused or made, inside: both are right.
            container.command("run", &[]).private_mounts().finish();
            container.command("delete", &["--force"]).finish().ok();
            outside.is_unchanged(&format!("/dev/{place}: {kind}"));
            container.nothing_left();
        }
    }
}

/// With a terminal, which is bound on /dev/console; the devpts is the container's own. Seen failing with O_CREAT |
/// O_TRUNC and no O_EXCL and O_NOFOLLOW in nsexec's `console_file`.
#[test]
fn traps_at_the_console_lead_nowhere() {
    only_skeg!();
    need_root!();
    for kind in ["directory", "link", "climb", "hardlink", "file", "fifo", "zero"] {
        let container = Bundle::seeing(&["cwd"]).set("/process/terminal", true).edit(|config| {
            let mounts = config["mounts"].as_array_mut().unwrap();
            mounts.retain(|mount| {
                !["/dev", "/dev/shm", "/dev/mqueue"].iter().any(|at| mount["destination"] == *at)
            });
        });
        let outside = Outside::beside(&container);
        fs::create_dir(container.rootfs().join("dev")).unwrap();
        set_trap(kind, &container.rootfs().join("dev/console"), &outside);
        let (_terminal, slave) = Terminal::open(24, 80);
        container.command("run", &[]).private_mounts().terminal(slave).spawn().wait();
        container.command("delete", &["--force"]).finish().ok();
        outside.is_unchanged(&format!("/dev/console: {kind}"));
        container.nothing_left();
    }
}

/// CVE-2026-55686 of Podman: the image says where it is made. Seen failing with openat(2) in the place of openat2(2) in
/// nsexec/src/inside.rs and with the directory made before pivot_root(2): each of them holds.
#[test]
fn working_directory_behind_a_symlink_is_made_inside() {
    only_skeg!();
    need_root!();
    let container =
        Bundle::seeing(&["cwd"]).set("/root/readonly", false).set("/process/cwd", "/link/made/deep");
    let outside = Outside::beside(&container);
    symlink(&outside.directory, container.rootfs().join("link")).unwrap();
    let seen = container.command("run", &[]).private_mounts().finish().ok().json();
    assert_eq!(seen["cwd"], format!("{}/made/deep", outside.directory.display()));
    outside.is_unchanged("cwd");
    assert!(container.rootfs().join(outside.directory.strip_prefix("/").unwrap()).join("made/deep").is_dir());
}

/// A directory that becomes a symlink out of the root while its content is copied. Seen failing with O_NOFOLLOW taken
/// out of `open_directory` in copy_up.rs.
#[test]
fn copy_up_of_what_is_exchanged_copies_nothing_of_the_host() {
    only_skeg!();
    need_root!();
    let container = Bundle::script("cat /data/*/file; true").mount("/data", "tmpfs", "tmpfs", &["tmpcopyup"]);
    let outside = Outside::beside(&container);
    let data = container.rootfs().join("data");
    fs::create_dir_all(data.join("dir/deep")).unwrap();
    fs::write(data.join("dir/file"), "of the image").unwrap();
    symlink(&outside.directory, data.join("link")).unwrap();
    let swapper = Swapper::start(data.join("dir"), data.join("link"));
    let mut copied = 0;
    for _ in 0..200 {
        let run = container.run();
        assert!(!run.stdout.contains("of the host"), "{run}");
        copied += u32::from(run.stdout.contains("of the image"));
    }
    drop(swapper);
    assert!(copied > 0, "it was never copied");
    container.nothing_left();
}

/// CVE-2025-31133, raced. Seen failing with the check of the null device's numbers taken out of nsexec.
#[test]
fn null_device_that_changes_while_paths_are_masked_uncovers_nothing() {
    only_skeg!();
    need_root!();
    let container = with_own_dev(Bundle::script("echo written > /secret; true"));
    let outside = Outside::beside(&container);
    let dev = container.rootfs().join("dev");
    mknod(&dev.join("null"), SFlag::S_IFCHR, Mode::from_bits_truncate(0o666), makedev(1, 3)).unwrap();
    // A climb past the root ends in it: what would be bound is the file of this name inside.
    let inside = container.rootfs().join("inside");
    fs::write(&inside, "of the image").unwrap();
    symlink("/inside", dev.join("link")).unwrap();
    fs::write(container.rootfs().join("secret"), "").unwrap();
    let container = container.set("/linux/maskedPaths", json!(["/secret"])).set("/root/readonly", false);
    let swapper = Swapper::start(dev.join("null"), dev.join("link"));
    for _ in 0..200 {
        container.command("run", &[]).private_mounts().finish();
        container.command("delete", &["--force"]).finish().ok();
        assert_eq!(fs::read_to_string(&inside).unwrap(), "of the image");
        assert_eq!(fs::read_to_string(container.rootfs().join("secret")).unwrap(), "");
    }
    drop(swapper);
    outside.is_unchanged("null");
}

/// Seen failing where nsexec opens the root by its path for each step: the links of /dev lay in the directory.
#[test]
fn root_that_is_exchanged_is_one_of_the_two() {
    only_skeg!();
    need_root!();
    let container = Bundle::seeing(&["list:/"]);
    let other = container.file("other");
    let outside = Outside::beside(&container);
    symlink(&outside.directory, &other).unwrap();
    let swapper = Swapper::start(container.rootfs(), other.clone());
    for _ in 0..100 {
        container.command("run", &[]).private_mounts().finish();
        container.command("delete", &["--force"]).finish().ok();
    }
    drop(swapper);
    // The directory has no program: what was made there are mount points, as in any root, and never a file of ours.
    assert_eq!(fs::read_to_string(&outside.file).unwrap(), "of the host");
    fs::remove_file(&outside.file).unwrap();
    assert_eq!(not_directories(&outside.directory), Vec::<PathBuf>::new());
    container.nothing_left();
}

/// What is below a directory and is no directory.
fn not_directories(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().flatten();
    entries
        .flat_map(|entry| match entry.file_type().unwrap().is_dir() {
            true => not_directories(&entry.path()),
            false => vec![entry.path()],
        })
        .collect()
}

/// The pid of a process that has ended is another's: told by the time at which it started. Seen failing where
/// `Identity::is_alive` does not compare the time.
#[test]
fn process_with_the_pid_of_an_ended_init_is_left_alone() {
    only_skeg!();
    need_root!();
    let container = Bundle::pausing().running();
    let path = container.state_root().join(&container.id).join("state.json");
    let whole = fs::read_to_string(&path).unwrap();
    let mut state: Value = serde_json::from_str(&whole).unwrap();
    let started = state["init_process_start"].as_u64().unwrap();
    state["init_process_start"] = json!(started - 1);
    fs::write(&path, state.to_string()).unwrap();
    assert_eq!(container.status(), "stopped");
    assert_ne!(container.kill("KILL").code, 0);
    assert_ne!(container.exec(&["/probe", "exit", "0"]).code, 0);
    fs::write(&path, whole).unwrap();
    // No signal has come.
    assert_eq!(container.status(), "running");
    assert_eq!(container.exec(&["/probe", "say", "here"]).ok().stdout, "here\n");
}

/// What is made in a root are mount points and nothing else. Seen failing where nsexec makes a file of its own in the
/// root.
#[test]
fn root_with_all_mount_points_is_left_as_it_was() {
    need_root!();
    let list = |root: &Path| {
        let mut entries: Vec<_> = fs::read_dir(root).unwrap().flatten().map(|entry| entry.path()).collect();
        entries.sort();
        entries
    };
    let container = Bundle::seeing(&["cwd"]);
    let mut expected = list(&container.rootfs());
    expected.extend(["dev", "proc", "sys"].map(|name| container.rootfs().join(name)));
    expected.sort();
    container.run().ok();
    assert_eq!(list(&container.rootfs()), expected);
    let before: Vec<_> =
        list(&container.rootfs()).iter().map(|path| fs::metadata(path).unwrap().mtime_nsec()).collect();
    let names = list(&container.rootfs());
    container.run().ok();
    assert_eq!(list(&container.rootfs()), names);
    let after: Vec<_> = names.iter().map(|path| fs::metadata(path).unwrap().mtime_nsec()).collect();
    assert_eq!(after, before);
}

/// Seen failing with O_NONBLOCK taken out of `open_passwd`: the FIFO was waited for.
#[test]
fn password_file_that_is_a_trap_is_none() {
    only_skeg!();
    need_root!();
    let home = |prepare: fn(&Path, &Path)| {
        let container = Bundle::seeing(&["env"]).set("/process/user", json!({"uid": 1000, "gid": 1000}));
        let outside = Outside::beside(&container);
        fs::write(&outside.file, "u:x:1000:1000::/of/the/host:/bin/sh\n").unwrap();
        let passwd = container.rootfs().join("etc/passwd");
        let _ = fs::remove_file(&passwd);
        fs::create_dir_all(container.rootfs().join("etc")).unwrap();
        prepare(&passwd, &outside.file);
        container.seen_one().to_string()
    };
    assert!(home(|passwd, host| symlink(host, passwd).unwrap()).contains("\"HOME=/\""));
    assert!(home(|passwd, _| nix::unistd::mkfifo(passwd, Mode::S_IRWXU).unwrap()).contains("\"HOME=/\""));
    let device = |passwd: &Path, _: &Path| {
        mknod(passwd, SFlag::S_IFCHR, Mode::S_IRWXU, makedev(1, 5)).unwrap();
    };
    assert!(home(device).contains("\"HOME=/\""));
    let long = |passwd: &Path, _: &Path| {
        let line = format!("u:x:0:0:{}:/:/bin/sh\nu:x:1000:1000::/right:/bin/sh\n", "x".repeat(70_000));
        fs::write(passwd, line).unwrap();
    };
    assert!(!home(long).contains("/of/the/host"));
}

/// Seen failing without the question for a line break in check/sysctl.rs and without that for the whole value in
/// nsexec's `write`, without the checks for NUL, and where the ".." of a cgroupsPath is resolved.
#[test]
fn values_that_would_write_more_than_one_line_are_refused() {
    only_skeg!();
    need_root!();
    let cases = [
        ("/linux/sysctl", json!({"net.ipv4.ip_forward": "1\n2"})),
        ("/linux/sysctl", json!({"net.ipv4.ip_forward": "1\u{0}"})),
        ("/linux/sysctl", json!({"net/../../self/comm": "x"})),
        ("/linux/sysctl", json!({"net.ipv4.\n.ip_forward": "1"})),
        ("/linux/cgroupsPath", json!("/skegtest\n0::/")),
        ("/linux/cgroupsPath", json!("skegtest/../../other")),
        ("/linux/resources/unified", json!({"../memory.max": "1"})),
        ("/linux/resources/unified", json!({"/sys/fs/cgroup/pids.max": "1"})),
        ("/linux/resources/unified", json!({"pids.max": "1\u{0}"})),
        ("/linux/resources/hugepageLimits", json!([{"pageSize": "../../2MB", "limit": 1}])),
        ("/hostname", json!("a\u{0}b")),
        ("/process/env/0", json!("A=\u{0}")),
    ];
    for (at, value) in cases {
        let container = Bundle::new().set(at, value.clone());
        let run = container.run();
        assert_ne!(run.code, 0, "{value}");
        assert!(run.stderr.contains(at.trim_start_matches('/').split('/').next().unwrap()), "{value}: {run}");
        container.nothing_left();
    }
}

/// Seen failing with 0622 for the FIFO: under a caller's umask of 0 anybody could write to it.
#[test]
fn nobody_else_can_start_a_container() {
    only_skeg!();
    need_root!();
    let container = Bundle::pausing();
    let script = "umask 0 && exec \"$0\" \"$@\"";
    let create = Invocation::new("sh").args(["-c", script]).arg(host::runtime()).arg("--root");
    let create = create.arg(container.state_root()).arg("create").arg(&container.id).cwd(container.path());
    container.detached(create).ok();
    let fifo = container.state_root().join(&container.id).join("exec.fifo");
    assert_eq!(fs::metadata(fifo).unwrap().mode() & 0o777, 0o600);
    container.start().ok();
    assert_eq!(container.line(), "ready");
}

/// Seen failing with each of the modes in container/store.rs made wider: 0755, 0644 and, of the FIFO, 0666.
#[test]
fn state_is_readable_for_its_owner_alone() {
    only_skeg!();
    need_root!();
    let container = Bundle::pausing();
    container.create().ok();
    let state = container.state_root().join(&container.id);
    let mode = |path: &Path| fs::symlink_metadata(path).unwrap().mode() & 0o7777;
    assert_eq!(mode(&container.state_root()), 0o700);
    assert_eq!(mode(&state), 0o711);
    assert_eq!(mode(&state.join("state.json")), 0o600);
    let fifo = state.join("exec.fifo");
    assert!(fs::symlink_metadata(&fifo).unwrap().file_type().is_fifo());
    assert_eq!(mode(&fifo), 0o600);
}

/// Seen failing with a variable in `envp` of `sys::start`.
#[test]
fn stage_has_no_environment() {
    only_skeg!();
    need_root!();
    let container = Bundle::pausing().push("/process/env", "LD_PRELOAD=/evil.so");
    container.detached(container.command("create", &[]).env("LD_PRELOAD", "").env("SECRET", "x")).ok();
    assert_eq!(fs::read(format!("/proc/{}/environ", container.pid())).unwrap(), b"");
}

/// Seen failing without O_NOFOLLOW in OPEN_DIRECTORY and lstat(2) in `is_current`: each of them holds.
#[test]
fn state_directory_that_is_a_symlink_is_refused() {
    only_skeg!();
    need_root!();
    let container = Bundle::pausing();
    let foreign = container.file("foreign");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("state.json"), "of somebody else").unwrap();
    fs::create_dir_all(container.state_root()).unwrap();
    symlink(&foreign, container.state_root().join(&container.id)).unwrap();
    for words in [&["create"][..], &["delete", "--force"], &["start"], &["kill"]] {
        let (command, options) = words.split_first().unwrap();
        assert_ne!(container.command(command, options).finish().code, 0, "{command}");
        assert_eq!(fs::read_to_string(foreign.join("state.json")).unwrap(), "of somebody else", "{command}");
        assert_eq!(fs::read_dir(&foreign).unwrap().count(), 1, "{command}");
    }
    fs::remove_file(container.state_root().join(&container.id)).unwrap();
    container.nothing_left();
}

/// Seen failing with the pid file written to its path, with O_EXCL and O_NOFOLLOW taken out of its first name, and with
/// O_NOFOLLOW taken out of logging.rs. What --console-socket names is not opened at all, only connected to, which changes
/// no file: seen failing where skeg creates a file of that name first.
#[test]
fn files_behind_symlinks_of_others_are_not_cut_off() {
    only_skeg!();
    need_root!();
    let container = Bundle::new().args(&["/probe", "exit", "0"]);
    let outside = Outside::beside(&container);
    let link = container.file("link");
    symlink(&outside.file, &link).unwrap();
    // The pid file is written to this name first.
    symlink(&outside.file, container.file(".pid")).unwrap();
    let link = link.display().to_string();
    container.command("run", &["--pid-file", &link]).finish().ok();
    outside.is_unchanged("--pid-file");
    container.command("run", &["--pid-file", "pid"]).finish().ok();
    outside.is_unchanged("the first name of --pid-file");
    symlink(&outside.file, container.file("log")).unwrap();
    container.runtime(&["--debug", "--log", "log", "run", &container.id]).finish().exits(1);
    outside.is_unchanged("--log");
    let container = container.set("/process/terminal", true);
    symlink(&outside.file, container.file("socket")).unwrap();
    container.create_with(&["--console-socket", "socket"]).exits(1);
    outside.is_unchanged("--console-socket");
    container.nothing_left();
}

/// Seen failing with EEXIST taken for success in `Store::create`.
#[test]
fn one_of_many_creates_of_an_id_wins() {
    only_skeg!();
    need_root!();
    for _ in 0..10 {
        let container = Bundle::pausing();
        let running: Vec<_> = (0..8).map(|_| container.command("create", &[]).spawn()).collect();
        let ended: Vec<_> = running.into_iter().map(|running| running.detach().0).collect();
        let (winners, others): (Vec<_>, Vec<_>) = ended.iter().partition(|output| output.code == 0);
        assert_eq!(winners.len(), 1);
        for other in others {
            assert!(other.stderr.contains("already"), "{other}");
        }
        assert_eq!(container.status(), "created");
        container.command("delete", &["--force"]).finish().ok();
        container.nothing_left();
    }
}

/// Whoever wins, one `delete --force` afterwards removes what is left, and nothing of it is frozen. Seen failing with
/// LOCK_SH in the place of LOCK_EX in container/lock.rs, and with `let_go` taken out of cgroup/remove.rs.
#[test]
fn commands_that_race_leave_no_half_of_a_container() {
    only_skeg!();
    need_root!();
    for _ in 0..15 {
        let container = Bundle::pausing();
        at_once(&container, &["create ID", "delete --force ID", "create ID", "delete --force ID"]);
        delete(&container);
        container.create().ok();
        container.start().ok();
        let commands = ["pause ID", "exec ID /probe exit 0", "kill ID KILL", "pause ID", "delete --force ID"];
        at_once(&container, &commands);
        delete(&container);
    }
}

/// Runs commands of one container side by side, to the end of all.
fn at_once(container: &Bundle, commands: &[&str]) {
    let (runtime, root) = (host::runtime().display(), container.state_root().display().to_string());
    let line = |words: &&str| format!("{runtime} --root {root} {} &", words.replace("ID", &container.id));
    let script = commands.iter().map(line).collect::<String>() + " wait";
    reaping(Invocation::new("sh").args(["-c", &script]).cwd(container.path()));
}

fn delete(container: &Bundle) {
    assert_eq!(reaping(container.command("delete", &["--force"])), 0);
    leftovers::wait_for_all_children();
    container.nothing_left();
}

/// The exit code. The init of a PID namespace ends when all in it were waited for: those that were given to us by us.
fn reaping(invocation: Invocation) -> i32 {
    let mut running = invocation.spawn();
    assert!(leftovers::wait_reaping_others(running.pid()), "{}", running.errors());
    running.wait()
}
