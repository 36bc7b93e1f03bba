//! state, list and ps: what they print is parsed by others.

use skeg_tests::{Bundle, Value, json, need_root};

#[test]
fn state_has_the_fields_callers_read() {
    need_root!();
    let container = Bundle::pausing().set("/annotations", json!({"org.example.key": "value"})).running();
    let state = container.state();
    let fields = ["ociVersion", "id", "pid", "status", "bundle", "rootfs", "created", "annotations", "owner"];
    assert_eq!(fields.iter().filter(|field| state.get(field).is_none()).count(), 0, "{state}");
    assert_eq!(state["id"], container.id.as_str());
    assert_eq!(state["status"], "running");
    assert_eq!(state["bundle"], container.path().to_str().unwrap());
    assert_eq!(state["rootfs"], container.rootfs().to_str().unwrap());
    assert_eq!(state["annotations"], json!({"org.example.key": "value"}));
    assert!(state["pid"].as_i64().unwrap() > 1, "{state}");
}

#[test]
fn time_of_creation_is_rfc_3339_in_utc() {
    need_root!();
    let container = Bundle::pausing();
    container.create().ok();
    let created = container.state()["created"].as_str().unwrap().to_owned();
    let shape: String = created.chars().map(|it| if it.is_ascii_digit() { '0' } else { it }).collect();
    let (seconds, fraction) = shape.split_once('.').expect("a fraction of a second");
    assert_eq!(seconds, "0000-00-00T00:00:00", "{created}");
    assert!(fraction.ends_with('Z'), "{created}");
}

#[test]
fn paused_container_says_so() {
    need_root!();
    let container = Bundle::pausing().running();
    container.command("pause", &[]).finish().ok();
    assert_eq!(container.status(), "paused");
    container.command("resume", &[]).finish().ok();
    assert_eq!(container.status(), "running");
}

#[test]
fn state_of_an_unknown_container_is_refused() {
    need_root!();
    Bundle::new().command("state", &[]).finish().exits(1).fails_with("container does not exist");
}

#[test]
fn list_without_containers_is_a_header() {
    need_root!();
    let list = Bundle::new().runtime(&["list"]).finish().ok();
    let words: Vec<&str> = list.stdout.split_whitespace().collect();
    assert_eq!(words, ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]);
}

#[test]
fn list_has_a_row_for_each_container() {
    need_root!();
    let container = Bundle::pausing().running();
    let list = container.runtime(&["list"]).finish().ok();
    let row: Vec<&str> = list.stdout.lines().nth(1).unwrap().split_whitespace().collect();
    let pid = container.pid().to_string();
    let bundle = container.path().to_str().unwrap();
    assert_eq!(row.get(..4), Some(&[container.id.as_str(), &pid, "running", bundle][..]), "{row:?}");
    assert_eq!(row.last(), Some(&"root"));
}

#[test]
fn list_as_json_has_the_state_of_each_container() {
    need_root!();
    let container = Bundle::pausing().running();
    let list = container.runtime(&["list", "--format", "json"]).finish().ok().json();
    assert_eq!(list.as_array().unwrap().len(), 1);
    assert_eq!(list[0]["id"], container.id.as_str());
    assert_eq!(list[0]["status"], "running");
    assert_eq!(list[0]["pid"], container.pid());
    assert_eq!(list[0]["owner"], "root");
}

#[test]
fn empty_list_as_json_is_null_or_empty() {
    need_root!();
    let list = Bundle::new().runtime(&["list", "-f", "json"]).finish().ok().json();
    assert!(list == Value::Null || list == json!([]), "{list}");
}

#[test]
fn quiet_list_is_ids() {
    need_root!();
    let container = Bundle::pausing();
    container.create().ok();
    let list = container.runtime(&["list", "-q"]).finish().ok();
    assert_eq!(list.stdout, format!("{}\n", container.id));
}

#[test]
fn list_in_an_unknown_format_is_refused() {
    need_root!();
    Bundle::new().runtime(&["list", "--format", "yaml"]).finish().exits(1);
}

#[test]
fn ps_as_json_is_the_pids() {
    need_root!();
    let container = Bundle::pausing().running();
    let pids = container.command("ps", &["--format", "json"]).finish().ok().json();
    assert_eq!(pids, json!([container.pid()]));
}

#[test]
fn ps_counts_processes_of_exec() {
    need_root!();
    let container = Bundle::pausing().running();
    let mut exec = container.exec_with(&[], &["/probe", "pause"]).spawn();
    assert_eq!(exec.line(), "ready");
    let pids = container.command("ps", &["-f", "json"]).finish().ok().json();
    assert_eq!(pids.as_array().unwrap().len(), 2);
    exec.signal(libc::SIGTERM);
    exec.wait();
}

#[test]
fn ps_as_table_shows_the_processes() {
    need_root!();
    let container = Bundle::pausing().running();
    let table = container.command("ps", &[]).finish().ok().stdout;
    let mut lines = table.lines();
    assert!(lines.next().unwrap().contains("PID"), "{table}");
    assert!(lines.next().unwrap().contains(&container.pid().to_string()), "{table}");
    assert_eq!(lines.next(), None, "{table}");
}

#[test]
fn ps_takes_options_of_ps() {
    need_root!();
    let container = Bundle::pausing().running();
    let table = container.command("ps", &[]).args(["-o", "pid,comm"]).finish().ok().stdout;
    let words: Vec<&str> = table.split_whitespace().collect();
    assert_eq!(words, ["PID", "COMMAND", &container.pid().to_string(), "probe"]);
}
