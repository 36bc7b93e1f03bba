//! `linux.intelRdt`, with a directory in the place of the resctrl file system: few processors have one.

use std::fs;
use std::path::PathBuf;

use skeg_tests::{Bundle, Value, json, need_root, only_skeg};

const STAND_IN: &str = "SKEG_RESCTRL";

/// A bundle, and the directory that stands for the file system.
fn with_tree(rdt: Value) -> (Bundle, PathBuf) {
    let container = Bundle::pausing().set("/linux/intelRdt", rdt);
    let tree = container.file("resctrl");
    fs::create_dir(&tree).unwrap();
    (container, tree)
}

fn created((container, tree): &(Bundle, PathBuf)) {
    container.detached(container.command("create", &[]).env(STAND_IN, tree)).ok();
}

#[test]
fn group_of_the_containers_own_lives_as_long_as_it() {
    need_root!();
    only_skeg!();
    let schemata = json!(["L3:0=7f0;1=1f", "L2:0=f", "MB:0=20;1=70"]);
    let world = with_tree(json!({ "schemata": schemata }));
    created(&world);
    let (container, tree) = world;
    let group = tree.join(&container.id);
    let read = |file: &str| fs::read_to_string(group.join(file)).unwrap();
    assert_eq!(read("schemata"), "L3:0=7f0;1=1f\nL2:0=f\nMB:0=20;1=70\n");
    assert_eq!(read("tasks"), format!("{}\n", container.pid()));

    container.start().ok();
    let file = container.file("exec.pid").display().to_string();
    container.exec_with(&["--pid-file", &file], &["/probe", "exit", "0"]).finish().ok();
    let exec = fs::read_to_string(file).unwrap();
    assert_eq!(read("tasks").lines().last(), Some(exec.trim()));

    container.command("update", &["--l3-cache-schema", "L3:0=1", "--mem-bw-schema", "MB:0=10"]).finish().ok();
    assert!(read("schemata").ends_with("L3:0=1\nMB:0=10\n"));
    container.command("delete", &["--force"]).finish().ok();
    assert!(!group.exists());
}

#[test]
fn monitoring_group_is_below_the_class_and_goes_with_the_container() {
    need_root!();
    only_skeg!();
    let world = with_tree(json!({ "closID": "gold", "enableMonitoring": true }));
    let class = world.1.join("gold");
    fs::create_dir_all(class.join("mon_groups")).unwrap();
    created(&world);
    let (container, _) = world;
    let group = class.join("mon_groups").join(&container.id);
    let tasks = fs::read_to_string(group.join("tasks")).unwrap();
    assert_eq!(tasks, format!("{}\n", container.pid()));
    assert_eq!(fs::read_to_string(class.join("tasks")).unwrap(), tasks);
    container.command("delete", &["--force"]).finish().ok();
    assert!(!group.exists() && class.exists());
}

#[test]
fn update_gives_a_group_to_a_container_without_one() {
    need_root!();
    only_skeg!();
    let container = Bundle::pausing().running();
    let tree = container.file("resctrl");
    fs::create_dir(&tree).unwrap();
    container.command("update", &["--mem-bw-schema", "MB:0=10"]).env(STAND_IN, &tree).finish().ok();
    let group = tree.join(&container.id);
    assert_eq!(fs::read_to_string(group.join("schemata")).unwrap(), "MB:0=10\n");
    assert_eq!(fs::read_to_string(group.join("tasks")).unwrap(), format!("{}\n", container.pid()));
    container.command("delete", &["--force"]).finish().ok();
    assert!(!group.exists());
}

#[test]
fn create_that_fails_takes_its_group_along() {
    need_root!();
    only_skeg!();
    let (container, tree) = with_tree(json!({ "schemata": ["L3:0=f"] }));
    let seen = container.file("seen").display().to_string();
    let look = format!("ls {} > {seen}; exit 3", tree.display());
    let container = container.hook("createRuntime", &look);
    container.command("create", &[]).env(STAND_IN, &tree).finish().exits(1);
    assert_eq!(fs::read_to_string(seen).unwrap().trim_end(), container.id.as_str());
    assert_eq!(fs::read_dir(&tree).unwrap().count(), 0);
    container.nothing_left();
}

#[test]
fn host_without_resctrl_is_named_before_anything_is_changed() {
    need_root!();
    only_skeg!();
    let (container, _) = with_tree(json!({}));
    container.create().fails_with("linux.intelRdt: no resctrl file system is mounted on this host");
    container.nothing_left();
}
