//! Mounts that the runtime makes: with id mappings, and for a user namespace whose root can't reach the source.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::PathBuf;

use skeg_tests::{Bundle, Value, json, need_root, not_runc, only_skeg};

/// A directory beside the rootfs with a file of the user 1000.
fn source(container: &Bundle) -> PathBuf {
    let directory = container.file("data");
    fs::create_dir_all(&directory).expect("mkdir");
    fs::write(directory.join("file"), "text").expect("write");
    chown(directory.join("file"), Some(1000), Some(1001)).expect("chown");
    directory
}

/// The source bound to /data, with these options and, if they aren't null, these mappings.
fn bound(container: Bundle, options: &[&str], uids: Value, gids: Value) -> Bundle {
    let source = source(&container);
    container.edit(|config| {
        let mut mount = json!({"destination": "/data", "type": "bind", "source": source, "options": options});
        if !uids.is_null() {
            mount["uidMappings"] = uids;
            mount["gidMappings"] = gids;
        }
        config["mounts"].as_array_mut().expect("an array").push(mount);
    })
}

fn owner(seen: &Value) -> (u64, u64) {
    let id = |key| seen[key].as_u64().unwrap_or_else(|| panic!("{seen}"));
    (id("uid"), id("gid"))
}

#[test]
fn ids_of_a_mount_are_mapped() {
    need_root!();
    not_runc!();
    let uids = json!([{"containerID": 1000, "hostID": 5000, "size": 1}]);
    let gids = json!([{"containerID": 1000, "hostID": 6000, "size": 10}]);
    for option in ["idmap", "ridmap"] {
        let container = Bundle::seeing(&["stat:/data/file"]);
        let seen = bound(container, &["rbind", option], uids.clone(), gids.clone()).seen_one();
        assert_eq!(owner(&seen), (5000, 6001), "{option}");
    }
}

#[test]
fn mappings_need_no_option() {
    need_root!();
    not_runc!();
    let map = json!([{"containerID": 0, "hostID": 10_000, "size": 2000}]);
    let container = bound(Bundle::seeing(&["stat:/data/file"]), &["bind"], map.clone(), map);
    assert_eq!(owner(&container.seen_one()), (11_000, 11_001));
}

#[test]
fn mapped_mount_takes_the_mappings_of_the_container() {
    need_root!();
    not_runc!();
    let container = Bundle::seeing(&["stat:/data/file", "create:/data/new"]).user_namespace(100_000);
    let container = bound(container, &["bind", "idmap"], Value::Null, Value::Null);
    fs::set_permissions(container.file("data"), Permissions::from_mode(0o777)).expect("chmod");
    let seen = container.seen();
    assert_eq!(owner(&seen["stat:/data/file"]), (1000, 1001));
    assert_eq!(seen["create:/data/new"], "ok");
    // What the container's root makes belongs to root on disk.
    assert_eq!(fs::metadata(container.file("data/new")).expect("made").uid(), 0);
}

/// Seen failing with "id mappings are missing".
#[test]
fn mapped_mount_takes_the_mappings_of_the_namespace_that_is_joined() {
    need_root!();
    not_runc!();
    let first = Bundle::pausing().user_namespace(100_000).running();
    let path = format!("/proc/{}/ns/user", first.pid());
    let container =
        Bundle::seeing(&["stat:/data/file"]).user_namespace(100_000).namespace("user", Some(&path));
    let container = container.remove("/linux/uidMappings").remove("/linux/gidMappings");
    let container = bound(container, &["bind", "idmap"], Value::Null, Value::Null);
    assert_eq!(owner(&container.seen_one()), (1000, 1001));
}

#[test]
fn mapped_mount_keeps_its_other_options() {
    need_root!();
    not_runc!();
    let map = json!([{"containerID": 0, "hostID": 10_000, "size": 2000}]);
    let container = Bundle::seeing(&["create:/data/new", "mounts"]);
    let seen = bound(container, &["bind", "ro", "nodev", "noexec"], map.clone(), map).seen();
    assert_eq!(seen["create:/data/new"]["error"], "EROFS");
    let mounts = seen["mounts"].as_array().expect("mounts");
    let mount = mounts.iter().find(|mount| mount["target"] == "/data").expect("/data");
    let options = mount["options"].to_string();
    assert!(["ro", "nodev", "noexec", "idmapped"].iter().all(|word| options.contains(word)), "{options}");
}

#[test]
fn file_system_without_id_mappings_is_named() {
    only_skeg!();
    need_root!();
    let map = json!([{"containerID": 0, "hostID": 10_000, "size": 2000}]);
    let container = bound(Bundle::seeing(&["pid"]), &["bind"], map.clone(), map);
    let container = container.edit(|config| {
        let mounts = config["mounts"].as_array_mut().expect("an array");
        mounts.last_mut().expect("a mount")["source"] = json!("/proc/sys");
    });
    container.create().fails_with("(/data): map ids of /proc/sys, which is on proc: EINVAL");
    container.nothing_left();
}

#[test]
fn option_without_any_mappings_is_refused() {
    only_skeg!();
    need_root!();
    let container = bound(Bundle::seeing(&["pid"]), &["bind", "idmap"], Value::Null, Value::Null);
    container.create().fails_with("options[1]: id mappings are missing");
}

#[test]
fn root_of_a_user_namespace_gets_what_it_can_not_reach() {
    need_root!();
    let container = Bundle::seeing(&["read:/data/file"]).user_namespace(100_000);
    let hidden = container.file("hidden");
    fs::create_dir_all(hidden.join("data")).expect("mkdir");
    fs::write(hidden.join("data/file"), "text").expect("write");
    fs::set_permissions(&hidden, Permissions::from_mode(0o700)).expect("chmod");
    let container = container.mount("/data", "bind", hidden.join("data"), &["rbind", "ro"]);
    assert_eq!(container.seen_one(), "text");
}

/// Seen failing with the descriptors sent in the opposite order.
#[test]
fn hundreds_of_mounts_are_attached_in_their_order() {
    need_root!();
    for in_user_namespace in [false, true] {
        let mut container = Bundle::seeing(&["read:/many/0/file", "read:/many/299/file", "mounts"]);
        if in_user_namespace {
            container = container.user_namespace(100_000);
        }
        let data = source(&container);
        container = container.mount("/many", "tmpfs", "tmpfs", &[]);
        let other = container.file("other");
        fs::create_dir(&other).unwrap();
        fs::write(other.join("file"), "other").unwrap();
        for number in 0..300 {
            let source = if number == 0 { &other } else { &data };
            container = container.mount(&format!("/many/{number}"), "bind", source, &["rbind", "ro"]);
        }
        let seen = container.seen();
        assert_eq!(
            (&seen["read:/many/0/file"], &seen["read:/many/299/file"]),
            (&"other".into(), &"text".into())
        );
        assert!(seen["mounts"].as_array().expect("mounts").len() > 300);
    }
}
