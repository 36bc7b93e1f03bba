use super::*;

fn rdt(json: serde_json::Value) -> LinuxIntelRdt {
    serde_json::from_value(json).unwrap()
}

fn locate(root: &Path, json: serde_json::Value) -> Result<Group, Error> {
    Group::locate(root, "web", &rdt(json))
}

#[test]
fn group_without_class_is_the_containers_own() {
    let root = tempfile::tempdir().unwrap();
    let wanted =
        serde_json::json!({"l3CacheSchema": "L3:0=f", "memBwSchema": "MB:0=20", "schemata": ["L2:0=1"]});
    let group = locate(root.path(), wanted.clone()).unwrap();
    group.create(&rdt(wanted)).unwrap();
    group.join(Pid::from_raw(7)).unwrap();
    let read = |name| fs::read_to_string(root.path().join("web").join(name)).unwrap();
    assert_eq!(read("schemata"), "L3:0=f\nMB:0=20\nL2:0=1\n");
    assert_eq!(read("tasks"), "7\n");
    group.remove().unwrap();
    assert!(!root.path().join("web").exists());
    group.remove().unwrap();
}

#[test]
fn class_is_joined_and_left_behind() {
    let root = tempfile::tempdir().unwrap();
    let class = root.path().join("gold");
    fs::create_dir(&class).unwrap();
    let group = locate(root.path(), serde_json::json!({"closID": "gold"})).unwrap();
    group.create(&rdt(serde_json::json!({"closID": "gold"}))).unwrap();
    assert!(!class.join("schemata").exists());
    group.remove().unwrap();
    assert!(class.exists());
}

#[test]
fn class_that_is_made_is_left_behind() {
    let root = tempfile::tempdir().unwrap();
    let wanted = serde_json::json!({"closID": "gold", "schemata": ["L3:0=f"]});
    let group = locate(root.path(), wanted.clone()).unwrap();
    group.create(&rdt(wanted)).unwrap();
    group.remove().unwrap();
    assert!(root.path().join("gold/schemata").exists());
}

#[test]
fn default_class_is_the_root() {
    let root = tempfile::tempdir().unwrap();
    let group = locate(root.path(), serde_json::json!({"closID": "/"})).unwrap();
    group.create(&LinuxIntelRdt::default()).unwrap();
    group.join(Pid::from_raw(7)).unwrap();
    assert_eq!(fs::read_to_string(root.path().join("tasks")).unwrap(), "7\n");
    group.remove().unwrap();
    assert!(root.path().exists());
}

#[test]
fn missing_class_without_schemata_is_an_error() {
    let root = tempfile::tempdir().unwrap();
    let error = locate(root.path(), serde_json::json!({"closID": "gold"})).unwrap_err();
    assert_eq!(
        error.to_string(),
        "linux.intelRdt.closID: there is no class of service \"gold\", and no schemata to make it with"
    );
}

#[test]
fn class_with_other_schemata_is_an_error() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("gold")).unwrap();
    fs::write(root.path().join("gold/schemata"), "    L3:0=00f;1=0ff\n").unwrap();
    locate(root.path(), serde_json::json!({"closID": "gold", "l3CacheSchema": "L3:0=f"})).unwrap();
    let error =
        locate(root.path(), serde_json::json!({"closID": "gold", "l3CacheSchema": "L3:0=1"})).unwrap_err();
    assert!(error.to_string().contains("\"gold\" has other schemata than \"L3:0=1\""), "{error}");
}

#[test]
fn monitoring_group_comes_and_goes_with_the_container() {
    let root = tempfile::tempdir().unwrap();
    let groups = root.path().join("gold/mon_groups");
    fs::create_dir_all(&groups).unwrap();
    let wanted = serde_json::json!({"closID": "gold", "enableMonitoring": true});
    let group = locate(root.path(), wanted.clone()).unwrap();
    group.create(&rdt(wanted)).unwrap();
    group.join(Pid::from_raw(7)).unwrap();
    assert_eq!(fs::read_to_string(groups.join("web/tasks")).unwrap(), "7\n");
    group.remove().unwrap();
    assert!(!groups.join("web").exists() && root.path().join("gold").exists());
}

#[test]
fn refusal_has_the_kernels_words() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("info")).unwrap();
    fs::write(root.path().join("info/last_cmd_status"), "out of CLOSIDs\n").unwrap();
    let error = make_directory(&root.path().join("missing/web")).unwrap_err().to_string();
    assert!(error.starts_with("linux.intelRdt: create "), "{error}");
    assert!(error.ends_with("(out of CLOSIDs)"), "{error}");
}

#[test]
fn mount_point_is_found_by_its_type() {
    let line = "41 22 0:36 / /sys/fs/resctrl rw,relatime shared:9 - resctrl resctrl rw";
    assert_eq!(resctrl_of(line), Some(PathBuf::from("/sys/fs/resctrl")));
    assert_eq!(resctrl_of("41 22 0:36 / /resctrl rw - tmpfs resctrl rw"), None);
}
