//! Device nodes, the links beside them, and what the device cgroup lets through.

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use skeg_tests::process::LIMIT;
use skeg_tests::{Bundle, Invocation, bpf, host, json, leftovers, need_root, not_runc, skip};

#[test]
fn default_devices_are_there() {
    need_root!();
    for (name, rdev) in [
        ("null", "1:3"),
        ("zero", "1:5"),
        ("full", "1:7"),
        ("random", "1:8"),
        ("urandom", "1:9"),
        ("tty", "5:0"),
    ] {
        let device = Bundle::seeing(&[&format!("stat:/dev/{name}")]).seen_one();
        assert_eq!((&device["type"], &device["rdev"]), (&json!("char"), &json!(rdev)), "{name}");
        assert_eq!(device["mode"], "0666", "{name}");
    }
}

#[test]
fn default_links_are_there() {
    need_root!();
    let sections =
        ["link:/dev/fd", "link:/dev/stdin", "link:/dev/stdout", "link:/dev/stderr", "link:/dev/ptmx"];
    let seen = Bundle::seeing(&sections).seen();
    assert_eq!(seen["link:/dev/fd"], "/proc/self/fd");
    assert_eq!(seen["link:/dev/stdin"], "/proc/self/fd/0");
    assert_eq!(seen["link:/dev/stdout"], "/proc/self/fd/1");
    assert_eq!(seen["link:/dev/stderr"], "/proc/self/fd/2");
    assert_eq!(seen["link:/dev/ptmx"], "pts/ptmx");
}

#[test]
fn default_devices_can_be_used() {
    need_root!();
    let sections = ["open-rw:/dev/null", "open:/dev/zero", "open:/dev/urandom", "open-rw:/dev/ptmx"];
    let seen = Bundle::seeing(&sections).seen();
    assert_eq!(sections.iter().filter(|section| seen[section] != "ok").count(), 0, "{seen}");
}

#[test]
fn configured_device_is_made_as_described() {
    need_root!();
    let device = json!({
        "path": "/dev/special", "type": "c", "major": 10, "minor": 229,
        "fileMode": 0o640, "uid": 5, "gid": 6,
    });
    let seen = Bundle::seeing(&["stat:/dev/special"]).set("/linux/devices", json!([device])).seen_one();
    assert_eq!(
        (&seen["type"], &seen["rdev"], &seen["mode"], &seen["uid"], &seen["gid"]),
        (&json!("char"), &json!("10:229"), &json!("0640"), &json!(5), &json!(6))
    );
}

#[test]
fn block_device_and_fifo_are_made() {
    need_root!();
    let devices = json!([
        {"path": "/dev/blocky", "type": "b", "major": 7, "minor": 3, "fileMode": 0o600},
        {"path": "/dev/deep/pipe", "type": "p", "fileMode": 0o622},
    ]);
    let seen =
        Bundle::seeing(&["stat:/dev/blocky", "stat:/dev/deep/pipe"]).set("/linux/devices", devices).seen();
    assert_eq!(seen["stat:/dev/blocky"]["type"], "block");
    assert_eq!(seen["stat:/dev/blocky"]["rdev"], "7:3");
    assert_eq!(seen["stat:/dev/deep/pipe"]["type"], "fifo");
    assert_eq!(seen["stat:/dev/deep/pipe"]["mode"], "0622");
}

#[test]
fn configuration_wins_over_a_default_device() {
    need_root!();
    let device = json!({"path": "/dev/full", "type": "c", "major": 1, "minor": 7, "fileMode": 0o600});
    let seen = Bundle::seeing(&["stat:/dev/full"]).set("/linux/devices", json!([device])).seen_one();
    assert_eq!(seen["mode"], "0600");
}

/// A character device that no driver has registered: whoever gets past the device cgroup gets ENXIO.
fn nobody() -> skeg_tests::Value {
    json!({"path": "/dev/nobody", "type": "c", "major": 241, "minor": 7, "fileMode": 0o666})
}

/// Seen failing without the rules of `cgroup::fs::devices`.
#[test]
fn device_that_no_rule_allows_is_refused() {
    need_root!();
    let seen = Bundle::seeing(&["open:/dev/nobody"]).set("/linux/devices", json!([nobody()])).seen_one();
    assert_eq!(seen["error"], "EPERM");
}

#[test]
fn device_that_a_rule_allows_can_be_opened() {
    need_root!();
    let rule = json!({"allow": true, "type": "c", "major": 241, "minor": 7, "access": "r"});
    let container = Bundle::seeing(&["open:/dev/nobody", "open-rw:/dev/nobody"]);
    let seen =
        container.set("/linux/devices", json!([nobody()])).push("/linux/resources/devices", rule).seen();
    assert_eq!(seen["open:/dev/nobody"]["error"], "ENXIO");
    assert_eq!(seen["open-rw:/dev/nobody"]["error"], "EPERM");
}

/// Seen failing without the rules of `cgroup::fs::devices`.
#[test]
fn devices_may_be_made_but_not_used() {
    need_root!();
    let mknod = json!(["CAP_MKNOD"]);
    let sets = json!({"bounding": mknod, "effective": mknod, "permitted": mknod});
    let container = Bundle::seeing(&["mknod:/dev/made", "open:/dev/made"]).set("/process/capabilities", sets);
    let seen = container.seen();
    assert_eq!(seen["mknod:/dev/made"], "ok");
    assert_eq!(seen["open:/dev/made"]["error"], "EPERM");
}

#[test]
fn device_without_numbers_is_refused() {
    need_root!();
    let container = Bundle::new().set("/linux/devices", json!([{"path": "/dev/x", "type": "z", "major": 1}]));
    container.run().exits(1);
    container.nothing_left();
}

/// runc#3674: stdio that is a null device must not be given to the container's user. Of a node of its own: it is the
/// host's that would be changed otherwise. Seen failing without ReopenNull and without the exception for null devices
/// in nsexec's `chown`: each of them holds.
#[test]
fn node_on_the_host_is_not_changed() {
    need_root!();
    let container = Bundle::seeing(&["cwd"]).set("/process/user", json!({"uid": 1000, "gid": 1000}));
    let node = container.file("null");
    mknod(&node, SFlag::S_IFCHR, Mode::from_bits_truncate(0o666), makedev(1, 3)).unwrap();
    let before = fs::metadata(&node).map(|it| host::owner(&it)).unwrap();
    let null = fs::File::options().read(true).write(true).open(&node).unwrap();
    container.command("run", &[]).give(null.into(), 0).finish().ok();
    assert_eq!(fs::metadata(&node).map(|it| host::owner(&it)).unwrap(), before);
}

/// The file of the host that the caller has handed in is the one that arrives, and it is as open as it was. Seen
/// failing where `reopen_null` takes every stream for a null device.
#[test]
fn directory_of_the_host_as_stdin_gets_no_more_rights() {
    need_root!();
    not_runc!();
    let container = Bundle::seeing(&["read:/proc/self/fdinfo/0", "list:/proc/self/fd/0"]);
    let directory = container.file("handed");
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("inside"), "").unwrap();
    let before = fs::metadata(&directory).map(|it| host::owner(&it)).unwrap();
    let handed = fs::File::open(&directory).unwrap();
    let flags = flags_of(&fs::read_to_string(format!("/proc/self/fdinfo/{}", handed.as_raw_fd())).unwrap());
    let seen = container.command("run", &[]).give(handed.into(), 0).finish().ok().json();
    // Without FD_CLOEXEC, which the test's own has.
    assert_eq!(flags_of(seen["read:/proc/self/fdinfo/0"].as_str().unwrap()), flags & !0o2_000_000);
    assert_eq!(seen["list:/proc/self/fd/0"], json!(["inside"]));
    assert_eq!(fs::metadata(&directory).map(|it| host::owner(&it)).unwrap(), before);
}

/// The runtime has the privileges that the container lacks: what it gives away is gone. Seen failing where all streams
/// but the null device are given to the mapped user.
#[test]
fn file_of_the_host_as_stdin_is_not_given_to_a_mapped_user() {
    need_root!();
    not_runc!();
    let container = Bundle::seeing(&["open-rw:/proc/self/fd/0"]).user_namespace(100_000);
    let file = container.file("handed");
    fs::write(&file, "of the host").unwrap();
    let before = fs::metadata(&file).map(|it| host::owner(&it)).unwrap();
    let handed = fs::File::open(&file).unwrap();
    let seen = container.command("run", &[]).give(handed.into(), 0).finish().ok().json();
    assert_eq!(fs::metadata(&file).map(|it| host::owner(&it)).unwrap(), before);
    assert_eq!(seen["open-rw:/proc/self/fd/0"]["error"], "EACCES");
}

/// Seen failing without rules of cgroup v1 and v2.
#[test]
fn device_stays_refused_after_an_update_and_in_an_exec() {
    need_root!();
    let container = Bundle::pausing().set("/linux/devices", json!([nobody()])).running();
    assert_eq!(container.exec_seen(&[], &["open:/dev/nobody"])["open:/dev/nobody"]["error"], "EPERM");
    container.command("update", &["--pids-limit", "100"]).finish().ok();
    assert_eq!(container.exec_seen(&[], &["open:/dev/nobody"])["open:/dev/nobody"]["error"], "EPERM");
}

fn flags_of(fdinfo: &str) -> u32 {
    let flags = fdinfo.lines().find_map(|line| line.strip_prefix("flags:")).expect("flags");
    u32::from_str_radix(flags.trim(), 8).expect("octal")
}

/// With cgroup v2 a program says which devices may be used: no more of them may be there than containers. Those are
/// counted that have this test's rules. Seen failing where an attached program is neither replaced nor detached (two in
/// the cgroup that stays), and where delete leaves the container's cgroup.
#[test]
fn device_programs_end_with_their_containers() {
    need_root!();
    host::on_cgroup_v2(|| {
        let minor = std::process::id() % (1 << 20);
        let rule = json!({"allow": true, "type": "c", "major": 242, "minor": minor, "access": "r"});
        let container = Bundle::pausing().push("/linux/resources/devices", rule);
        let tag = cycles(&container, 100).expect("a program");
        no_program_is_left(&tag);
        // A cgroup that was there before is there afterwards, and its program is the last container's.
        let kept = Path::new("/sys/fs/cgroup").join(&container.id).join("kept");
        fs::create_dir_all(&kept).unwrap();
        let container =
            container.set("/linux/cgroupsPath", kept.strip_prefix("/sys/fs/cgroup").unwrap().to_str());
        cycles(&container, 20);
        assert!(!kept.exists() || bpf::attached_to(&kept).len() <= 1);
        leftovers::remove_cgroups(&container.id);
        no_program_is_left(&tag);
    });
}

/// The whole life of a container, so often; the tag of its program.
fn cycles(container: &Bundle, count: u32) -> Option<bpf::Tag> {
    let mut tag = None;
    for _ in 0..count {
        container.create().ok();
        container.start().ok();
        assert_eq!(container.line(), "ready");
        let resources = json!({"unified": {"cgroup.max.depth": "7"}}).to_string();
        container.command("update", &["--resources", "-"]).input(resources).finish().ok();
        container.exec(&["/probe", "exit", "0"]).ok();
        let programs = bpf::attached_to(&container.cgroup(""));
        assert_eq!(programs.len(), 1);
        tag = programs.into_iter().next();
        container.kill("KILL").ok();
        container.wait();
        container.delete().ok();
    }
    tag
}

/// The kernel frees them some time after their cgroup.
#[track_caller]
fn no_program_is_left(tag: &bpf::Tag) {
    let deadline = Instant::now() + LIMIT;
    while bpf::count(tag) > 0 {
        assert!(Instant::now() < deadline, "{} programs are left", bpf::count(tag));
        thread::sleep(Duration::from_millis(5));
    }
}

/// A loop device with a file system, for as long as it lives.
struct Disk(String);

impl Disk {
    /// None where there are no loop devices.
    fn new(image: &Path) -> Option<Self> {
        fs::File::create(image).unwrap().set_len(4 << 20).unwrap();
        Invocation::new("mke2fs").args(["-q", "-F"]).arg(image).finish().ok();
        let made = Invocation::new("losetup").args(["--find", "--show"]).arg(image).finish();
        (made.code == 0).then(|| Self(made.stdout.trim_end().to_owned()))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        Invocation::new("losetup").args(["--detach", &self.0]).finish().ok();
    }
}

/// What the orchestrator mounts need not be what the program may use. Seen failing where the device rules are set before
/// the mounts: EPERM.
#[test]
fn file_system_of_a_device_that_is_not_allowed_is_mounted() {
    need_root!();
    let owner = Bundle::new();
    let Some(disk) = Disk::new(&owner.file("image")) else { skip!("no loop devices") };
    let rdev = fs::metadata(&disk.0).unwrap().rdev();
    let node =
        json!({"path": "/dev/disk", "type": "b", "major": libc::major(rdev), "minor": libc::minor(rdev)});
    let sees = move |device: &str, hook: Option<&str>| {
        let container =
            Bundle::seeing(&["list:/data", "open:/dev/disk"]).set("/linux/devices", json!([node]));
        let container = container.mount("/data", "ext2", device, &["ro"]);
        let container =
            hook.into_iter().fold(container, |container, script| container.hook("createRuntime", script));
        let seen = container.seen();
        assert_eq!(seen["list:/data"], json!(["lost+found"]), "{seen:#}");
        assert_eq!(seen["open:/dev/disk"], json!({"error": "EPERM"}), "{seen:#}");
        container.nothing_left();
    };
    sees(&disk.0, None);
    sees(&disk.0, Some("true"));
    host::on_cgroup_v2(move || sees(&disk.0, None));
}

/// Seen failing with `mknod: EPERM`.
#[test]
fn devices_of_a_runtime_that_may_make_none_are_the_hosts() {
    need_root!();
    let container = Bundle::seeing(&["stat:/dev/null", "open-rw:/dev/null", "open:/dev/zero"]);
    let run = Invocation::new("setpriv").args(["--bounding-set=-mknod", "--inh-caps=-mknod"]);
    let run = run.arg(host::runtime()).arg("--root").arg(container.state_root());
    let seen = run.args(["run", "--bundle"]).arg(container.path()).arg(&container.id).finish().ok().json();
    assert_eq!(seen["stat:/dev/null"]["rdev"], "1:3");
    assert_eq!((&seen["open-rw:/dev/null"], &seen["open:/dev/zero"]), (&json!("ok"), &json!("ok")));
}

/// A /dev that is the image's, with something at this path.
fn with_image_dev(container: Bundle, fill: impl FnOnce(&Path)) -> Bundle {
    let dev = container.rootfs().join("dev");
    fs::create_dir(&dev).unwrap();
    fill(&dev);
    container.edit(|config| {
        config["mounts"].as_array_mut().unwrap().retain(|mount| mount["destination"] != "/dev");
    })
}

/// Seen failing where whatever is there is kept.
#[test]
fn multiplexer_of_the_image_gives_way() {
    need_root!();
    let fills: [fn(&Path); 4] = [
        |dev| fs::write(dev.join("ptmx"), "x").unwrap(),
        |dev| fs::create_dir(dev.join("ptmx")).unwrap(),
        |dev| {
            mknod(&dev.join("ptmx"), SFlag::S_IFCHR, Mode::from_bits_truncate(0o666), makedev(5, 2)).unwrap()
        },
        |dev| std::os::unix::fs::symlink("null", dev.join("ptmx")).unwrap(),
    ];
    for fill in fills {
        let container = with_image_dev(Bundle::seeing(&["link:/dev/ptmx"]), fill);
        assert_eq!(container.seen_one(), "pts/ptmx");
    }
    // As an absolute path, however it is written.
    let device = json!({"path": "/dev/shm/../ptmx", "type": "c", "major": 5, "minor": 2});
    let container = Bundle::seeing(&["link:/dev/ptmx"]).set("/linux/devices", json!([device]));
    assert_eq!(container.seen_one(), "pts/ptmx");
}

/// Seen failing with `verify: EEXIST` for the numbers, and with a bare EINVAL for the paths.
#[test]
fn devices_may_be_written_in_any_form() {
    need_root!();
    let devices = json!([
        {"path": "/dev/fifo", "type": "p", "major": 1, "minor": 3},
        {"path": "/dev/./a/", "type": "c", "major": 1, "minor": 3},
        {"path": "/dev/b/.", "type": "c", "major": 1, "minor": 3},
        {"path": "/dev/b", "type": "c", "major": 1, "minor": 3},
    ]);
    let container = Bundle::seeing(&["stat:/dev/fifo", "stat:/dev/a", "stat:/dev/b"]);
    let seen = container.set("/linux/devices", devices).seen();
    assert_eq!(seen["stat:/dev/fifo"]["type"], "fifo");
    assert_eq!((&seen["stat:/dev/a"]["rdev"], &seen["stat:/dev/b"]["rdev"]), (&json!("1:3"), &json!("1:3")));
}

/// Seen failing with `verify: EEXIST`, and with a bare EINVAL.
#[test]
fn devices_that_can_not_be_made_are_named() {
    need_root!();
    not_runc!();
    let twice = json!([
        {"path": "/dev/x", "type": "c", "major": 1, "minor": 3},
        {"path": "/dev/x/", "type": "c", "major": 1, "minor": 5},
    ]);
    let container = Bundle::new().set("/linux/devices", twice);
    container.run().fails_with("linux.devices[1] (/dev/x/): is there twice, as two different devices");
    let root = json!([{"path": "/dev/..", "type": "c", "major": 1, "minor": 3}]);
    let container = container.set("/linux/devices", root);
    container.run().fails_with("linux.devices[0] (/dev/..).path: names no file");
}

/// Seen failing with whatever the host has at the path.
#[test]
fn device_of_the_host_has_to_be_the_one_that_is_meant() {
    need_root!();
    not_runc!();
    for device in [
        json!({"path": "/dev/null", "type": "c", "major": 1, "minor": 5}),
        json!({"path": "/dev/null", "type": "b", "major": 1, "minor": 3}),
        json!({"path": "/etc/hostname", "type": "c", "major": 0, "minor": 0}),
    ] {
        let container = Bundle::new().user_namespace(100_000).set("/linux/devices", json!([device]));
        container.run().fails_with("verify: ENODEV");
        container.nothing_left();
    }
}

/// Seen failing where only the owner of what is there is changed.
#[test]
fn device_of_the_image_gets_its_mode() {
    need_root!();
    not_runc!();
    let device =
        json!({"path": "/dev/x", "type": "c", "major": 1, "minor": 3, "fileMode": 0o640, "uid": 5, "gid": 6});
    let container = with_image_dev(Bundle::seeing(&["stat:/dev/x", "stat:/dev/null"]), |dev| {
        for name in ["x", "null"] {
            mknod(&dev.join(name), SFlag::S_IFCHR, Mode::from_bits_truncate(0o600), makedev(1, 3)).unwrap();
        }
    });
    let seen = container.set("/linux/devices", json!([device])).seen();
    assert_eq!((&seen["stat:/dev/x"]["mode"], &seen["stat:/dev/x"]["uid"]), (&json!("0640"), &json!(5)));
    assert_eq!(seen["stat:/dev/null"]["mode"], "0666");
}
