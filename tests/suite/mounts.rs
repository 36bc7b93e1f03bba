//! Mounts of the configuration: kinds, options, propagation, targets.

use std::fs;
use std::os::unix::fs::symlink;

use skeg_tests::{Bundle, Invocation, Value, host, json, need_root, not_runc, only_skeg};

/// The topmost mount at `target` in what `see mounts` gave.
#[track_caller]
fn at<'a>(mounts: &'a Value, target: &str) -> &'a Value {
    let found = mounts.as_array().expect("a list").iter().rfind(|mount| mount["target"] == target);
    found.unwrap_or_else(|| panic!("nothing mounted at {target}: {mounts:#}"))
}

fn has(mount: &Value, option: &str) -> bool {
    mount["options"].as_array().expect("a list").iter().any(|it| it == option)
}

/// A directory of the host beside the bundle's root, holding `inside`.
fn shared_directory(container: &Bundle) -> String {
    let directory = container.file("shared");
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("inside"), "of the host").unwrap();
    directory.display().to_string()
}

/// A container with a bind mount of a host directory on /data.
fn with_bind(sections: &[&str], options: &[&str]) -> Bundle {
    let container = Bundle::seeing(sections);
    let source = shared_directory(&container);
    container.mount("/data", "bind", source, options)
}

#[test]
fn default_mounts_are_all_there() {
    need_root!();
    let mounts = Bundle::seeing(&["mounts"]).seen_one();
    assert_eq!(at(&mounts, "/proc")["type"], "proc");
    assert_eq!(at(&mounts, "/dev")["type"], "tmpfs");
    assert_eq!(at(&mounts, "/dev/pts")["type"], "devpts");
    assert_eq!(at(&mounts, "/dev/shm")["type"], "tmpfs");
    assert_eq!(at(&mounts, "/dev/mqueue")["type"], "mqueue");
    assert_eq!(at(&mounts, "/sys")["type"], "sysfs");
}

#[test]
fn flags_of_the_default_mounts_are_set() {
    need_root!();
    let mounts = Bundle::seeing(&["mounts"]).seen_one();
    for (target, options) in [
        ("/dev", &["rw", "nosuid"][..]),
        ("/dev/pts", &["rw", "nosuid", "noexec"]),
        ("/dev/shm", &["rw", "nosuid", "noexec", "nodev"]),
        ("/dev/mqueue", &["rw", "nosuid", "noexec", "nodev"]),
        ("/sys", &["ro", "nosuid", "noexec", "nodev"]),
        ("/sys/fs/cgroup", &["nosuid", "noexec", "nodev"]),
    ] {
        let mount = at(&mounts, target);
        let missing: Vec<&&str> = options.iter().filter(|option| !has(mount, option)).collect();
        assert!(missing.is_empty(), "{target} lacks {missing:?}: {mount}");
    }
}

/// Seen failing with MOUNT_ATTR_RDONLY taken out of plan/cgroup_mount.rs and `is_late_readonly`.
#[test]
fn cgroup_mount_is_read_only() {
    need_root!();
    not_runc!();
    let seeing = || Bundle::seeing(&["mounts"]);
    for container in [
        seeing(),
        seeing().namespace("cgroup", None),
        seeing().user_namespace(100_000),
        seeing().user_namespace(100_000).namespace("cgroup", None),
    ] {
        let mounts = container.seen_one();
        // On v1 that of each hierarchy, too.
        let groups = mounts.as_array().expect("a list").iter().filter(|mount| {
            mount["target"].as_str().is_some_and(|target| target.starts_with("/sys/fs/cgroup"))
        });
        let writable: Vec<&Value> = groups.filter(|mount| !has(mount, "ro")).collect();
        assert!(writable.is_empty(), "{writable:#?}");
        assert!(has(at(&mounts, "/sys/fs/cgroup"), "ro"), "{mounts:#}");
    }
}

#[test]
fn file_system_data_reaches_the_file_system() {
    need_root!();
    let seen = Bundle::seeing(&["mounts", "stat:/dev/shm", "stat:/dev"]).seen();
    let data = &at(&seen["mounts"], "/dev/shm")["super"];
    assert!(data.as_array().unwrap().iter().any(|it| it == "size=65536k"), "{data}");
    assert_eq!(seen["stat:/dev/shm"]["mode"], "1777");
    assert_eq!(seen["stat:/dev"]["mode"], "0755");
}

#[test]
fn no_mount_of_the_host_is_seen_inside() {
    need_root!();
    let mounts = Bundle::seeing(&["mounts"]).seen_one();
    let roots = mounts.as_array().unwrap().iter().filter(|mount| mount["target"] == "/").count();
    assert_eq!(roots, 1, "{mounts:#}");
    assert!(!mounts.to_string().contains("skegtest-") || !mounts.to_string().contains("\"target\":\"/tmp"));
}

#[test]
fn bind_mount_shows_the_source() {
    need_root!();
    let container = with_bind(&["read:/data/inside", "create:/data/made"], &["bind"]);
    let seen = container.seen();
    assert_eq!(seen["read:/data/inside"], "of the host");
    assert_eq!(seen["create:/data/made"], "ok");
    assert!(container.file("shared/made").exists());
}

#[test]
fn bind_mount_needs_no_type() {
    need_root!();
    let container = Bundle::seeing(&["read:/data/inside"]);
    let source = shared_directory(&container);
    let mount = json!({"destination": "/data", "source": source, "options": ["rbind"]});
    assert_eq!(container.push("/mounts", mount).seen_one(), "of the host");
}

#[test]
fn read_only_bind_cannot_be_written() {
    need_root!();
    let seen = with_bind(&["create:/data/made", "mounts"], &["bind", "ro"]).seen();
    assert_eq!(seen["create:/data/made"]["error"], "EROFS");
    assert!(has(at(&seen["mounts"], "/data"), "ro"));
}

#[test]
fn flags_are_set_on_a_bind() {
    need_root!();
    let options = ["bind", "nosuid", "nodev", "noexec", "noatime"];
    let mounts = with_bind(&["mounts"], &options).seen_one();
    let mount = at(&mounts, "/data");
    let missing: Vec<&&str> = options.iter().skip(1).filter(|option| !has(mount, option)).collect();
    assert!(missing.is_empty(), "{missing:?} of {mount}");
}

#[test]
fn relative_source_is_below_the_bundle() {
    need_root!();
    let container = Bundle::seeing(&["read:/data/inside"]);
    shared_directory(&container);
    assert_eq!(container.mount("/data", "bind", "shared", &["bind"]).seen_one(), "of the host");
}

#[test]
fn recursive_bind_brings_the_mounts_below() {
    need_root!();
    let mounts = Bundle::seeing(&["mounts"]).mount("/host", "bind", "/sys", &["rbind", "ro"]).seen_one();
    at(&mounts, "/host/fs/cgroup");
}

#[test]
fn plain_bind_leaves_the_mounts_below() {
    need_root!();
    let mounts = Bundle::seeing(&["mounts"]).mount("/host", "bind", "/sys", &["bind", "ro"]).seen_one();
    at(&mounts, "/host");
    assert!(!mounts.to_string().contains("/host/fs/cgroup"), "{mounts:#}");
}

#[test]
fn recursively_read_only_bind_reaches_the_mounts_below() {
    need_root!();
    let mounts = Bundle::seeing(&["mounts"]).mount("/host", "bind", "/sys", &["rbind", "rro"]).seen_one();
    assert!(has(at(&mounts, "/host/fs/cgroup"), "ro"), "{mounts:#}");
}

#[test]
fn file_can_be_bound_on_a_file() {
    need_root!();
    let container = Bundle::seeing(&["read:/etc/name"]);
    let source = shared_directory(&container) + "/inside";
    fs::write(container.rootfs().join("etc/name"), "of the image").unwrap();
    assert_eq!(container.mount("/etc/name", "bind", source, &["bind", "ro"]).seen_one(), "of the host");
}

#[test]
fn missing_target_of_a_file_becomes_a_file() {
    need_root!();
    let container = Bundle::seeing(&["read:/new/path/name"]);
    let source = shared_directory(&container) + "/inside";
    assert_eq!(container.mount("/new/path/name", "bind", source, &["bind"]).seen_one(), "of the host");
}

#[test]
fn missing_target_of_a_directory_becomes_a_directory() {
    need_root!();
    let mounts = Bundle::seeing(&["mounts"]).mount("/new/path", "tmpfs", "tmpfs", &[]).seen_one();
    assert_eq!(at(&mounts, "/new/path")["type"], "tmpfs");
}

#[test]
fn later_mount_lands_inside_an_earlier_one() {
    need_root!();
    let container = Bundle::seeing(&["mounts"]).mount("/a", "tmpfs", "tmpfs", &[]);
    let mounts = container.mount("/a/b", "tmpfs", "tmpfs", &["ro"]).seen_one();
    assert!(has(at(&mounts, "/a/b"), "ro"));
}

#[test]
fn tmpfs_takes_its_options() {
    need_root!();
    let options = ["nosuid", "size=1024k", "mode=0700", "uid=5", "gid=6"];
    let seen = Bundle::seeing(&["stat:/data", "mounts"]).mount("/data", "tmpfs", "tmpfs", &options).seen();
    let stat = &seen["stat:/data"];
    assert_eq!((&stat["mode"], &stat["uid"], &stat["gid"]), (&"0700".into(), &5.into(), &6.into()));
    let data = &at(&seen["mounts"], "/data")["super"];
    assert!(data.as_array().unwrap().iter().any(|it| it == "size=1024k"), "{data}");
}

/// Seen failing with the step CopyUp taken out.
#[test]
fn tmpfs_can_copy_up_what_it_covers() {
    need_root!();
    let container = Bundle::seeing(&["read:/data/kept", "statfs:/data"]);
    fs::create_dir(container.rootfs().join("data")).unwrap();
    fs::write(container.rootfs().join("data/kept"), "of the image").unwrap();
    let seen = container.mount("/data", "tmpfs", "tmpfs", &["tmpcopyup"]).seen();
    assert_eq!(seen["read:/data/kept"], "of the image");
    assert_eq!(seen["statfs:/data"], "0x1021994");
}

#[test]
fn mount_can_be_changed_later() {
    need_root!();
    not_runc!();
    let container = Bundle::seeing(&["mounts", "create:/later/file"])
        .mount("/later", "tmpfs", "tmpfs", &["size=8m"])
        .mount("/later", "tmpfs", "tmpfs", &["remount", "size=4m"])
        .mount("/later", "bind", "none", &["remount", "bind", "ro", "nodev"]);
    let seen = container.seen();
    let mount = at(&seen["mounts"], "/later");
    assert!(has(mount, "ro") && has(mount, "nodev"), "{mount}");
    assert!(mount.to_string().contains("size=4096k"), "{mount}");
    assert_eq!(seen["create:/later/file"]["error"], "EROFS");
}

#[test]
fn what_is_not_mounted_can_not_be_changed() {
    only_skeg!();
    need_root!();
    let container = Bundle::seeing(&["pid"]).mount("/tmp", "bind", "none", &["remount", "bind", "ro"]);
    container.create().fails_with("mounts[7] (/tmp): set mount attributes: EINVAL");
    container.nothing_left();
}

#[test]
fn symlink_in_the_target_is_followed_inside_the_root() {
    need_root!();
    let container = Bundle::seeing(&["mounts"]);
    symlink("/real", container.rootfs().join("link")).unwrap();
    let mounts = container.mount("/link/data", "tmpfs", "tmpfs", &[]).seen_one();
    at(&mounts, "/real/data");
}

#[test]
fn symlink_out_of_the_root_stays_inside() {
    only_skeg!(); // An attack that works would hit this host.
    need_root!();
    let container = Bundle::seeing(&["mounts"]);
    symlink("../../../../../../../../tmp", container.rootfs().join("escape")).unwrap();
    let name = format!("escape-{}", container.id);
    let target = format!("/escape/{name}");
    let container = container.mount(&target, "tmpfs", "tmpfs", &[]);
    let mounts = container.seen_one();
    at(&mounts, &format!("/tmp/{name}"));
    assert!(!std::path::Path::new("/tmp").join(name).exists());
}

#[test]
fn dots_in_the_target_stay_inside() {
    need_root!();
    let name = format!("/../../../../tmp/escape-{}", std::process::id());
    let mounts = Bundle::seeing(&["mounts"]).mount(&name, "tmpfs", "tmpfs", &[]).seen_one();
    at(&mounts, name.trim_start_matches("/../../../.."));
}

/// Seen failing with RESOLVE_NO_SYMLINKS taken out of `Symlinks::Refuse`.
#[test]
fn proc_on_a_symlink_is_refused() {
    only_skeg!(); // An attack that works would hit this host.
    need_root!();
    // CVE-2019-19921, CVE-2023-28642.
    let container = Bundle::new();
    symlink("/tmp", container.rootfs().join("proc")).unwrap();
    container.run().exits(1);
    container.nothing_left();
}

/// Seen failing with RESOLVE_NO_SYMLINKS taken out of `Symlinks::Refuse`.
#[test]
fn sys_on_a_symlink_is_refused() {
    only_skeg!(); // An attack that works would hit this host.
    need_root!();
    let container = Bundle::new();
    symlink("/tmp", container.rootfs().join("sys")).unwrap();
    container.run().exits(1);
    container.nothing_left();
}

/// Seen failing without the look at the source's magic number in nsexec's `bind`.
#[test]
fn bind_over_proc_is_refused() {
    only_skeg!(); // An attack that works would hit this host.
    need_root!();
    // CVE-2019-16884: a volume that poses as /proc.
    let container = Bundle::new();
    let source = shared_directory(&container);
    let container = container.mount("/proc", "bind", source, &["bind"]);
    container.run().exits(1);
    container.nothing_left();
}

/// A source of each kind of mount: what nsexec binds, what the runtime makes beside a user namespace, a file system.
fn mounted_on(target: &str, kind: &str, link: (&str, &str)) -> Bundle {
    let container = Bundle::new();
    let source = shared_directory(&container);
    symlink(link.1, container.rootfs().join(link.0)).unwrap();
    match kind {
        "bind" => container.mount(target, "bind", source, &["bind"]),
        "tree" => container.user_namespace(100_000).mount(target, "bind", source, &["bind"]),
        _ => container.mount(target, "tmpfs", "tmpfs", &[]),
    }
}

/// CVE-2019-16884 by way of the image. Seen failing without the look at the target in nsexec's `Place::open`.
#[test]
fn symlinks_into_proc_are_no_way_around_its_guard() {
    only_skeg!(); // An attack that works would hit this host.
    need_root!();
    for kind in ["bind", "tree", "tmpfs"] {
        for (link, target) in [
            ("proc", "/data"),
            ("proc", "/data/self/attr"),
            ("proc", "/data/sys/kernel"),
            ("/proc/self", "/data"),
            ("/proc/self", "/data/attr"),
            ("tmp/../../proc", "/data/sys"),
        ] {
            let container = mounted_on(target, kind, ("data", link));
            let text = format!("({target}): the target leads into a procfs, where this can't be mounted");
            container.run().fails_with(&text);
            container.nothing_left();
        }
    }
}

/// Seen failing where the guard compared the text: with the dots and with lists, though empty, a plain directory became
/// /proc.
#[test]
fn proc_is_proc_however_it_is_written() {
    only_skeg!(); // An attack that works would hit this host.
    need_root!();
    for (target, mappings, text) in [
        ("/dev/../proc", json!(null), "(/dev/../proc): verify"),
        ("/proc/.", json!([]), "(/proc/.): verify"),
        ("/proc", json!([]), "(/proc): verify"),
        ("//proc/", json!([{"containerID": 0, "hostID": 10_000, "size": 10}]), "cannot have id mappings"),
    ] {
        let container = Bundle::new();
        let source = shared_directory(&container);
        let mut mount = json!({"destination": target, "source": source, "options": ["bind"]});
        if !mappings.is_null() {
            mount["uidMappings"] = mappings.clone();
            mount["gidMappings"] = mappings;
        }
        let container = container.push("/mounts", mount);
        container.run().fails_with(text);
        container.nothing_left();
    }
}

#[test]
fn files_of_proc_can_be_covered() {
    need_root!();
    for userns in [false, true] {
        let container = Bundle::seeing(&["read:/proc/meminfo", "statfs:/proc/uptime"]);
        let source = shared_directory(&container) + "/inside";
        let container = if userns { container.user_namespace(100_000) } else { container };
        let seen = container.mount("/proc/meminfo", "bind", source, &["bind"]).seen();
        assert_eq!(seen["read:/proc/meminfo"], "of the host", "{userns}");
        assert_eq!(seen["statfs:/proc/uptime"], "0x9fa0");
    }
}

#[test]
fn procfs_can_be_mounted_over_another() {
    need_root!();
    let container = Bundle::seeing(&["read:/proc/1/comm"]).mount("/proc", "proc", "proc", &["nosuid"]);
    assert_eq!(container.seen_one(), "probe\n");
    let container = Bundle::seeing(&["statfs:/proc"]).mount("/proc", "bind", "/proc", &["rbind", "ro"]);
    assert_eq!(container.seen_one(), "0x9fa0");
}

/// Seen failing where `..` was left to the kernel, which wants what is before it to exist.
#[test]
fn what_is_before_dots_need_not_exist() {
    need_root!();
    let container = Bundle::seeing(&["mounts"]).mount("/nope/../real/x", "tmpfs", "tmpfs", &[]);
    at(&container.seen_one(), "/real/x");
    assert!(!container.rootfs().join("nope").exists());
}

/// Seen failing without the look at the target in nsexec's `Place::open`: the container did not see the mount, which an
/// `exec` had as its root.
#[test]
fn symlink_to_the_root_is_not_mounted_over() {
    only_skeg!(); // An attack that works would hit this host.
    need_root!();
    for kind in ["bind", "tree", "tmpfs"] {
        let container = mounted_on("/rt", kind, ("rt", "/"));
        container.run().fails_with("(/rt): the target leads to the container's root itself");
        container.nothing_left();
    }
}

/// Seen failing with NO_SYMLINKS for every procfs.
#[test]
fn symlink_on_the_way_to_a_procfs_is_followed() {
    need_root!();
    for (kind, name) in [("proc", "p"), ("sysfs", "s")] {
        let container = Bundle::seeing(&["mounts"]);
        symlink("real", container.rootfs().join("lk")).unwrap();
        fs::create_dir(container.rootfs().join("real")).unwrap();
        let mounts = container.mount(&format!("/lk/{name}"), kind, kind, &[]).seen_one();
        assert_eq!(at(&mounts, &format!("/real/{name}"))["type"], kind);
    }
}

/// Seen failing with `target_nofollow` taken out of plan/mounts.rs.
#[test]
fn procfs_on_a_symlink_is_refused_everywhere() {
    only_skeg!(); // An attack that works would hit this host.
    need_root!();
    let container = Bundle::new();
    symlink("tmp", container.rootfs().join("lk")).unwrap();
    let container = container.mount("/lk", "proc", "proc", &[]);
    container.run().fails_with("(/lk): attach proc: ENOTDIR: not a directory");
    container.nothing_left();
}

#[test]
fn missing_source_is_refused() {
    need_root!();
    let container = Bundle::new().mount("/data", "bind", "/missing/source", &["bind"]);
    container.run().fails_with("/missing/source");
    container.nothing_left();
}

#[test]
fn missing_source_is_named_by_its_errno() {
    need_root!();
    Bundle::new().mount("/data", "bind", "/missing", &["bind"]).run().fails_with("no such file or directory");
}

#[test]
fn unknown_file_system_is_refused() {
    need_root!();
    let container = Bundle::new().mount("/data", "nonsensefs", "none", &[]);
    container.run().fails_with("no such device");
    container.nothing_left();
}

#[test]
fn option_the_file_system_refuses_is_an_error() {
    need_root!();
    let container = Bundle::new().mount("/data", "tmpfs", "tmpfs", &["nonsense=1"]);
    container.run().fails_with("invalid argument");
    container.nothing_left();
}

#[test]
fn refused_option_is_named_by_its_place_in_the_configuration() {
    need_root!();
    not_runc!();
    let container = Bundle::new().mount("/data", "tmpfs", "tmpfs", &["nonsense=1"]);
    container.run().fails_with("mounts[7]");
}

/// Seen failing without the comparison in nsexec's `bind`: the kernel's error is another one.
#[test]
fn directory_on_a_file_is_refused() {
    need_root!();
    let container = Bundle::new();
    let source = shared_directory(&container);
    fs::write(container.rootfs().join("file"), "").unwrap();
    container.mount("/file", "bind", source, &["bind"]).run().fails_with("not a directory");
}

/// Seen failing where only what nsexec binds was compared with its target: EINVAL.
#[test]
fn what_does_not_fit_its_target_is_refused_in_words() {
    need_root!();
    not_runc!();
    let mappings = json!([{"containerID": 0, "hostID": 10_000, "size": 10}]);
    for (userns, kind, below, target, maps) in [
        (false, "tmpfs", "", "/file", json!(null)),
        (true, "bind", "", "/file", json!(null)),
        (true, "bind", "/inside", "/tmp", json!(null)),
        (false, "bind", "", "/file", mappings.clone()),
        (false, "bind", "/inside", "/tmp", mappings),
    ] {
        let container = Bundle::new();
        let source = shared_directory(&container) + below;
        fs::write(container.rootfs().join("file"), "").unwrap();
        let container = if userns { container.user_namespace(100_000) } else { container };
        let mut mount = json!({"destination": target, "type": kind, "source": source});
        if !maps.is_null() {
            mount["uidMappings"] = maps.clone();
            mount["gidMappings"] = maps;
        }
        container.push("/mounts", mount).run().fails_with("ENOTDIR: not a directory");
    }
}

#[test]
fn root_propagation_is_private_to_the_host() {
    need_root!();
    let mounts = Bundle::seeing(&["mounts"]).set("/linux/rootfsPropagation", "private").seen_one();
    assert_eq!(at(&mounts, "/")["propagation"], json!([]));
}

#[test]
fn root_propagation_can_be_shared() {
    need_root!();
    not_runc!();
    let mounts = Bundle::seeing(&["mounts"]).set("/linux/rootfsPropagation", "shared").seen_one();
    assert!(at(&mounts, "/")["propagation"].to_string().contains("shared:"), "{mounts:#}");
}

#[test]
fn propagation_of_a_mount_can_be_chosen() {
    need_root!();
    let mounts = with_bind(&["mounts"], &["rbind", "rshared"]).seen_one();
    assert!(at(&mounts, "/data")["propagation"].to_string().contains("shared:"), "{mounts:#}");
    let mounts = with_bind(&["mounts"], &["rbind", "rprivate"]).seen_one();
    assert_eq!(at(&mounts, "/data")["propagation"], json!([]));
}

/// Each word of a propagation, and what mountinfo then says of the mount (proc_pid_mountinfo(5)).
const PROPAGATIONS: [(&str, &str); 4] =
    [("shared", "shared:"), ("slave", "master:"), ("private", ""), ("unbindable", "unbindable")];

/// The runtime in a mount namespace of its own, whose mounts are shared: what is bound from there can be a slave.
#[track_caller]
fn seen_below_a_shared_host(container: &Bundle) -> Value {
    let runtime = skeg_tests::host::runtime().display();
    let root = container.state_root().display().to_string();
    let script = format!("mount --make-rshared / && exec {runtime} --root {root} run {}", container.id);
    let unshare = skeg_tests::Invocation::new("unshare").args(["-m", "sh", "-c", &script]);
    unshare.cwd(container.path()).finish().ok().json()["mounts"].clone()
}

#[track_caller]
fn has_propagation(mount: &Value, word: &str, fields: &str) {
    let is = mount["propagation"].to_string();
    let as_said = if fields.is_empty() { is == "[]" } else { is.contains(fields) };
    // A slave may be the first of peers of its own.
    assert!(as_said, "{word}: {mount:#}");
}

#[test]
fn each_propagation_of_the_root_is_that_of_its_mount() {
    need_root!();
    not_runc!();
    for (word, fields) in PROPAGATIONS {
        for word in [word.to_owned(), format!("r{word}")] {
            let container = Bundle::seeing(&["mounts"]).set("/linux/rootfsPropagation", word.as_str());
            has_propagation(at(&seen_below_a_shared_host(&container), "/"), &word, fields);
        }
    }
}

/// Seen failing with `rslave`, where the root was made a slave once more after the pivot, with all below it.
#[test]
fn each_propagation_of_a_mount_is_that_of_the_bind() {
    need_root!();
    not_runc!();
    for (word, fields) in PROPAGATIONS {
        for word in [word.to_owned(), format!("r{word}")] {
            let container = with_bind(&["mounts"], &["rbind", &word]);
            let container = container.set("/linux/rootfsPropagation", "rslave");
            has_propagation(at(&seen_below_a_shared_host(&container), "/data"), &word, fields);
        }
    }
    let container =
        with_bind(&["mounts"], &["rbind", "slave", "shared"]).set("/linux/rootfsPropagation", "rslave");
    let mounts = seen_below_a_shared_host(&container);
    for fields in ["shared:", "master:"] {
        has_propagation(at(&mounts, "/data"), "slave, shared", fields);
    }
}

/// A word of `options`, what mountinfo then has, and the word that takes it back.
const ATTRIBUTES: [(&str, &str, &str); 6] = [
    ("ro", "ro", "rw"),
    ("nosuid", "nosuid", "suid"),
    ("nodev", "nodev", "dev"),
    ("noexec", "noexec", "exec"),
    ("nodiratime", "nodiratime", "diratime"),
    ("nosymfollow", "nosymfollow", "symfollow"),
];
/// The same for the classes of access times, of which the last one counts.
const ACCESS_TIMES: [(&str, &str); 7] = [
    ("noatime", "noatime"),
    ("relatime", "relatime"),
    ("strictatime", ""),
    ("atime", "relatime"),
    ("norelatime", "relatime"),
    ("nostrictatime", "relatime"),
    ("defaults", "relatime"),
];

#[track_caller]
fn has_access_time(mount: &Value, word: &str, class: &str) {
    for known in ["noatime", "relatime"] {
        assert_eq!(has(mount, known), known == class, "{word}: {mount:#}");
    }
}

#[test]
fn each_option_of_a_mount_does_what_it_says() {
    need_root!();
    not_runc!();
    let mut container = Bundle::seeing(&["mounts"]);
    for (set, _, clear) in ATTRIBUTES {
        container = container.mount(&format!("/tmp/{set}"), "tmpfs", "tmpfs", &[set]).mount(
            &format!("/tmp/{clear}"),
            "tmpfs",
            "tmpfs",
            &[set, clear],
        );
    }
    for (word, _) in ACCESS_TIMES {
        container = container.mount(&format!("/tmp/{word}"), "tmpfs", "tmpfs", &[word]);
    }
    let container = container.mount("/tmp", "tmpfs", "tmpfs", &[]);
    let container = container.edit(|config| {
        // The directory of all of them comes first.
        let mounts = config["mounts"].as_array_mut().expect("a list");
        let first = mounts.pop().expect("a mount");
        mounts.insert(0, first);
    });
    let mounts = container.seen_one();
    for (set, field, clear) in ATTRIBUTES {
        assert!(has(at(&mounts, &format!("/tmp/{set}")), field), "{set}");
        assert!(!has(at(&mounts, &format!("/tmp/{clear}")), field), "{clear}");
    }
    for (word, class) in ACCESS_TIMES {
        has_access_time(at(&mounts, &format!("/tmp/{word}")), word, class);
    }
}

#[test]
fn each_recursive_option_reaches_the_mounts_below() {
    need_root!();
    not_runc!();
    let plain = "mount -t tmpfs below shared && mkdir shared/below && mount -t tmpfs below shared/below";
    let flagged = "mount -t tmpfs -o ro,nosuid,nodev,noexec,nodiratime,nosymfollow below shared/below";
    let seen = |host: &str, word: &str| {
        let container = with_bind(&["mounts"], &["rbind", word]);
        let runtime = skeg_tests::host::runtime().display();
        let root = container.state_root().display().to_string();
        let script = format!("{host} && exec {runtime} --root {root} run {}", container.id);
        let unshare = skeg_tests::Invocation::new("unshare").args(["-m", "sh", "-c", &script]);
        let mounts = unshare.cwd(container.path()).finish().ok().json()["mounts"].clone();
        [at(&mounts, "/data").clone(), at(&mounts, "/data/below").clone()]
    };
    for (set, field, clear) in ATTRIBUTES {
        for mount in seen(plain, &format!("r{set}")) {
            assert!(has(&mount, field), "r{set}: {mount:#}");
        }
        let [_, below] = seen(&format!("{plain} && {flagged}"), &format!("r{clear}"));
        assert!(!has(&below, field), "r{clear}: {below:#}");
    }
    for (word, class) in ACCESS_TIMES.into_iter().filter(|(word, _)| *word != "defaults") {
        for mount in seen(plain, &format!("r{word}")) {
            has_access_time(&mount, word, class);
        }
    }
}

/// The runtime in a mount namespace of its own, after the script `host`.
#[track_caller]
fn in_own_mounts(container: &Bundle, host: &str, run: &str) -> skeg_tests::Output {
    let runtime = skeg_tests::host::runtime().display();
    let root = container.state_root().display().to_string();
    let run = run.replace("RUN", &format!("exec {runtime} --root {root} run {}", container.id));
    let script = format!("{host} && {run}");
    skeg_tests::Invocation::new("unshare").args(["-m", "sh", "-c", &script]).cwd(container.path()).finish()
}

/// Runs RUN in a new user namespace, in which most ids are mapped.
const IN_USER_NAMESPACE: &str = "mkfifo go && { unshare -U -m sh -c 'read go < go; RUN' & pid=$!; }
    while [ \"$(readlink /proc/$pid/ns/user)\" = \"$(readlink /proc/self/ns/user)\" ]; do sleep 0.01; done
    echo 0 0 200000 > /proc/$pid/uid_map && echo 0 0 200000 > /proc/$pid/gid_map
    echo > go; wait $pid";

/// Seen failing where the attributes of the tree were set first.
#[test]
fn recursive_options_come_after_those_of_the_mount() {
    need_root!();
    not_runc!();
    let host = "mount -t tmpfs below shared && mkdir shared/below && mount -t tmpfs below shared/below";
    for userns in [false, true] {
        for (words, option, top, below) in [
            (["rro", "rw"], "ro", true, true),
            (["ro", "rrw"], "ro", false, false),
            (["nosuid", "rsuid"], "nosuid", false, false),
            (["rnosuid", "suid"], "nosuid", true, true),
            (["noatime", "rstrictatime"], "noatime", false, false),
            (["strictatime", "rnoatime"], "noatime", true, true),
            (["ro", "rnosuid"], "ro", true, false),
        ] {
            let container = with_bind(&["mounts"], &[&["rbind"], &words[..]].concat());
            let container = if userns { container.user_namespace(100_000) } else { container };
            let mounts = in_own_mounts(&container, host, "RUN").ok().json()["mounts"].clone();
            for (target, wanted) in [("/data", top), ("/data/below", below)] {
                assert_eq!(has(at(&mounts, target), option), wanted, "{words:?} {target}: {mounts:#}");
            }
        }
    }
}

/// What the host has set is locked in a user namespace that somebody else has made. Seen failing with EPERM where the
/// container has a user namespace, and with the access times as they were otherwise.
#[test]
fn locked_flags_stay_but_access_times_are_no_flag() {
    need_root!();
    not_runc!();
    let host = "mount -t tmpfs -o nosuid,nodev,noexec below shared";
    for own in [false, true] {
        let bound = |options: &[&str]| {
            let container = with_bind(&["mounts"], options);
            let container = if own { container.user_namespace(100_000) } else { container };
            (in_own_mounts(&container, host, IN_USER_NAMESPACE), container)
        };
        let (output, _container) = bound(&["rbind", "ro", "suid", "exec", "dev", "relatime"]);
        let mounts = output.ok().json()["mounts"].clone();
        for option in ["ro", "nosuid", "noexec", "nodev"] {
            assert!(has(at(&mounts, "/data"), option), "{own} {option}: {mounts:#}");
        }
        let (output, _container) = bound(&["rbind", "suid", "noatime"]);
        output.fails_with("(/data): set mount attributes: EPERM");
    }
}

#[test]
fn each_option_of_a_superblock_does_what_it_says() {
    need_root!();
    let nothing =
        ["async", "nolazytime", "loud", "silent", "acl", "noacl", "iversion", "noiversion", "nomand"];
    let set = ["sync", "dirsync", "lazytime"];
    let container = Bundle::seeing(&["mounts"]).mount("/tmp", "tmpfs", "tmpfs", &[]);
    let container = set.iter().chain(&nothing).fold(container, |container, word| {
        container.mount(
            &format!("/tmp/{word}"),
            "tmpfs",
            "tmpfs",
            &["sync", "async", "lazytime", "nolazytime", word],
        )
    });
    let mounts = container.seen_one();
    let super_of = |word: &str| at(&mounts, &format!("/tmp/{word}"))["super"].as_array().unwrap().clone();
    for word in set {
        assert!(super_of(word).contains(&word.into()), "{word}: {mounts:#}");
    }
    for word in nothing {
        assert!(set.iter().all(|set| !super_of(word).contains(&(*set).into())), "{word}: {mounts:#}");
    }
}

/// Seen failing for `private`, `slave` and `unbindable` where these were taken for the host's root mount alone: the
/// rootfs was attached to the shared mount that it lies on, and pivot_root refused it.
#[test]
fn mounts_of_a_shared_host_do_not_come_back() {
    need_root!();
    not_runc!();
    let words = PROPAGATIONS.iter().flat_map(|(word, _)| [(*word).to_owned(), format!("r{word}")]);
    for word in words.chain([String::new()]) {
        // The runtime in a mount namespace that is shared, as is the mount that the rootfs lies on.
        let container = Bundle::seeing(&["cwd"]).mount("/data", "tmpfs", "tmpfs", &[]);
        let container = container.set("/linux/rootfsPropagation", word.as_str());
        let runtime = skeg_tests::host::runtime().display();
        let root = container.state_root().display().to_string();
        let script = format!(
            "mount --bind . . && mount --make-rshared / && cd $PWD && {runtime} --root {root} run {} >&2 && \
             cat /proc/self/mountinfo",
            container.id
        );
        let unshare = skeg_tests::Invocation::new("unshare").args(["-m", "sh", "-c", &script]);
        let table = unshare.cwd(container.path()).finish().ok();
        let own = table.stdout.lines().filter(|line| line.contains(&container.id));
        assert_eq!(own.count(), 1, "{word}: {}", table.stdout);
    }
}

#[test]
fn cgroup_mount_shows_the_containers_own_group() {
    need_root!();
    let procs = if skeg_tests::host::has_cgroup_v1() { "pids/cgroup.procs" } else { "cgroup.procs" };
    let section = format!("read:/sys/fs/cgroup/{procs}");
    assert_eq!(Bundle::seeing(&[&section]).seen_one(), "1\n");
}

/// A bundle with the file `words` beside it, and the symlink `link` to it.
fn beside_a_link(script: &str) -> Bundle {
    let container = Bundle::script(script);
    fs::write(container.file("words"), "words").unwrap();
    symlink("words", container.file("link")).unwrap();
    container
}

#[test]
fn copied_symlink_is_made_again_in_the_container() {
    need_root!();
    not_runc!();
    let container = beside_a_link("readlink /made/here; readlink /etc/there; cat /etc/words");
    let (link, words) = (container.file("link"), container.file("words"));
    fs::create_dir_all(container.rootfs().join("etc")).unwrap();
    symlink("words", container.rootfs().join("etc/there")).unwrap();
    let options = ["rbind", "copy-symlink"];
    let container = container
        .mount("/made/here", "bind", &link, &options)
        .mount("/etc/there", "bind", &link, &options)
        .mount("/etc/words", "bind", words, &options);
    assert_eq!(container.run().ok().stdout, "words\nwords\nwords");
}

#[test]
fn copied_symlink_replaces_nothing() {
    need_root!();
    not_runc!();
    let container = beside_a_link("true");
    let link = container.file("link");
    fs::write(container.rootfs().join("there"), "").unwrap();
    let container = container.mount("/there", "bind", link, &["bind", "copy-symlink"]);
    container.run().fails_with("mounts[7] (/there): symlink: EEXIST: file exists");
    container.nothing_left();
}

/// With neither word the link's file is mounted, on the file that the image's link points to. Seen failing with
/// AT_SYMLINK_NOFOLLOW taken out of nsexec's `bind`.
#[test]
fn symlinks_are_mounted_and_mounted_on_themselves() {
    need_root!();
    not_runc!();
    for userns in [false, true] {
        let container = beside_a_link("readlink /image; cat /target");
        let link = container.file("link");
        fs::write(container.rootfs().join("target"), "untouched").unwrap();
        symlink("target", container.rootfs().join("image")).unwrap();
        let container = if userns { container.user_namespace(100_000) } else { container };
        let container = container.mount("/image", "bind", link, &["bind", "src-nofollow", "dest-nofollow"]);
        assert_eq!(container.run().ok().stdout, "words\nuntouched", "{userns}");
    }
}

/// Layers for an overlay, below `directory`, each with a file of its own.
fn layers(directory: &std::path::Path, count: u32) -> Vec<String> {
    let layer = |number: u32| {
        let layer = directory.join(format!("a-layer-with-a-long-name-{number}"));
        fs::create_dir_all(&layer).unwrap();
        fs::write(layer.join(number.to_string()), number.to_string()).unwrap();
        layer.display().to_string()
    };
    (0..count).map(layer).collect()
}

/// Seen failing with fsconfig(2) alone, which takes no value of more than 255 bytes: EINVAL.
#[test]
fn overlay_may_have_many_layers() {
    need_root!();
    for userns in [false, true] {
        let container = Bundle::seeing(&["read:/over/0", "read:/over/39", "mounts"]);
        let lower = format!("lowerdir={}", layers(&container.file("layers"), 40).join(":"));
        let container = if userns { container.user_namespace(100_000) } else { container };
        let container = container.mount("/over", "tmpfs", "tmpfs", &[]);
        let options = ["ro", "nodev", "noatime", &lower];
        let seen = container.mount("/over", "overlay", "overlay", &options).seen();
        assert_eq!((&seen["read:/over/0"], &seen["read:/over/39"]), (&"0".into(), &"39".into()));
        let mount = at(&seen["mounts"], "/over");
        let missing = ["ro", "nodev", "noatime"].iter().find(|option| !has(mount, option));
        assert_eq!(missing, None, "{mount:#}");
        assert!(has(mount, "relatime") != has(mount, "noatime"), "{mount:#}");
        // Nothing else is left there.
        let over = seen["mounts"].as_array().unwrap().iter().filter(|mount| mount["target"] == "/over");
        assert_eq!(over.count(), 2, "{seen:#}");
    }
}

#[test]
fn source_may_be_long() {
    need_root!();
    let source = "s".repeat(300);
    let container = Bundle::seeing(&["mounts", "stat:/tmp"]).mount("/tmp", "tmpfs", &source, &["size=64k"]);
    fs::set_permissions(container.rootfs().join("tmp"), std::os::unix::fs::PermissionsExt::from_mode(0o1711))
        .unwrap();
    let seen = container.seen();
    assert!(at(&seen["mounts"], "/tmp")["super"].to_string().contains("size=64k"), "{seen:#}");
    assert_eq!(seen["stat:/tmp"]["mode"], "1711");
}

#[test]
fn more_parameters_than_the_kernel_takes_are_refused() {
    need_root!();
    not_runc!();
    let lower = format!("lowerdir={}", "/directory:".repeat(500));
    let container = Bundle::new().mount("/over", "overlay", "overlay", &[&lower]);
    container.run().fails_with("mounts[7] (/over).options: 5509 bytes for the file system");
    container.nothing_left();
}

/// The kernel mounts them in place, and the target is the host's. Seen failing where only a success is tidied up.
#[test]
fn long_mount_that_fails_leaves_nothing_on_the_host() {
    need_root!();
    let container = Bundle::new();
    let shared = container.file("shared");
    fs::create_dir_all(shared.join("over")).unwrap();
    let [lower, target] = [&container.file("layers"), &shared].map(|path| path.display().to_string());
    let lower = format!("lowerdir={},nosuch=1", layers(lower.as_ref(), 40).join(":"));
    // In a mount namespace of its own, with a shared directory on the way.
    let script = format!(
        "mount --make-rprivate / && mount -t tmpfs none {target} && mount --make-shared {target} && mkdir {target}/over
        {} --root {} run {}; grep -c {target}/over /proc/self/mountinfo",
        host::runtime().display(),
        container.state_root().display(),
        container.id
    );
    let container = container
        .set("/linux/rootfsPropagation", "rshared")
        .mount("/data", "bind", &target, &["rbind", "rshared"])
        .mount("/data/over", "overlay", "overlay", &lower.split(',').collect::<Vec<_>>());
    let run =
        Invocation::new("unshare").args(["--mount", "sh", "-c", &script]).cwd(container.path()).finish();
    assert_eq!(run.stdout, "0\n", "{run}");
}

/// Only what is on /proc is what labels and sysctls are written to. Seen failing where any procfs was taken for it.
#[test]
fn procfs_in_another_place_may_be_covered() {
    need_root!();
    for mounts in [
        &[("/hostfs", "bind", "/", "rbind"), ("/hostfs/proc", "bind", "/proc", "rbind")][..],
        &[("/host/proc", "bind", "/proc", "rbind"), ("/host/proc/sys/net", "bind", "/etc", "bind")],
        &[("/mnt/p", "proc", "proc", "nosuid"), ("/mnt/p", "bind", "/proc", "rbind")],
        &[("/mnt", "bind", "/proc", "rbind"), ("/mnt", "tmpfs", "tmpfs", "nosuid")],
    ] {
        let container = Bundle::probe(&["exit", "0"]);
        let container = mounts.iter().fold(container, |container, (to, kind, source, option)| {
            container.mount(to, kind, source, &[option])
        });
        container.run().ok();
    }
}

/// Seen failing where it became the hierarchies of cgroup v1, and EROFS with `ro`.
#[test]
fn cgroup2_is_cgroup2_whatever_the_host_has() {
    need_root!();
    let container = Bundle::seeing(&["mounts"]).namespace("cgroup", None);
    let mounts = container.mount("/cg", "cgroup2", "cgroup2", &["ro", "nosuid"]).seen_one();
    let mount = at(&mounts, "/cg");
    assert_eq!(mount["type"], "cgroup2");
    assert!(has(mount, "ro") && has(mount, "nosuid"), "{mount:#}");
}

/// Seen failing with a MAX_STREAM of 384 KiB.
#[test]
fn thousands_of_mounts_are_made() {
    need_root!();
    let container = Bundle::script("/bin/busybox wc -l < /proc/self/mounts");
    let container = container.edit(|config| {
        let mounts = config["mounts"].as_array_mut().unwrap();
        mounts.extend((0..5000).map(
            |number| json!({"destination": format!("/tmp/{number}"), "type": "tmpfs", "source": "tmpfs"}),
        ));
    });
    let lines: usize = container.run().ok().stdout.trim().parse().unwrap();
    assert!(lines > 5000, "{lines}");
    container.nothing_left();
}
