//! Input that is refused: exit code, one clear line, nothing left behind.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use skeg_tests::{Bundle, Invocation, Output, host, json, need_root, not_runc, only_skeg};

/// Runs a bundle that must be refused, and demands that nothing is left of it.
#[track_caller]
fn refused(container: &Bundle) -> Output {
    let run = container.run().exits(1);
    assert_eq!(run.stdout, "");
    assert_ne!(run.stderr, "");
    container.nothing_left();
    run
}

fn with_config(text: &str) -> Bundle {
    let container = Bundle::new();
    fs::write(container.file("config.json"), text).unwrap();
    container
}

#[test]
fn missing_config_is_refused() {
    need_root!();
    let container = Bundle::new();
    fs::remove_file(container.file("config.json")).unwrap();
    refused(&container).fails_with("config.json");
}

#[test]
fn missing_bundle_is_refused() {
    need_root!();
    let container = Bundle::new();
    container
        .command("run", &["--bundle", "/missing/bundle"])
        .finish()
        .fails_with("no such file or directory");
    container.nothing_left();
}

#[test]
fn invalid_json_is_refused() {
    need_root!();
    refused(&with_config("{\"ociVersion\": \"1.0.2\",\n  \"process\": }"));
    refused(&with_config(""));
    refused(&with_config("[]"));
}

#[test]
fn empty_config_is_called_empty() {
    need_root!();
    not_runc!();
    refused(&with_config("")).fails_with("config.json: line 1 column 1: the file is empty");
    refused(&with_config("\u{feff}{}")).fails_with("byte order mark");
}

#[test]
fn invalid_json_is_named_by_line_and_column() {
    need_root!();
    not_runc!();
    let run = refused(&with_config("{\"ociVersion\": \"1.0.2\",\n  \"process\": }"));
    assert!(run.stderr.contains("line 2") && run.stderr.contains("column 14"), "{run}");
}

#[test]
fn wrong_type_is_refused() {
    need_root!();
    refused(&Bundle::new().set("/process/cwd", 5));
}

#[test]
fn wrong_type_is_named_by_its_path() {
    need_root!();
    not_runc!();
    refused(&Bundle::new().set("/process/user/uid", "root")).fails_with("process.user.uid");
    refused(&Bundle::new().push("/mounts", json!({"destination": 7}))).fails_with("mounts[7].destination");
}

#[test]
fn unknown_value_is_named_by_its_path() {
    need_root!();
    not_runc!();
    let namespaces = json!([{"type": "mount"}, {"type": "fish"}]);
    refused(&Bundle::new().set("/linux/namespaces", namespaces)).fails_with("linux.namespaces[1]");
}

/// Seen failing with the first one alone.
#[test]
fn all_that_is_wrong_is_told_at_once() {
    need_root!();
    not_runc!();
    let container = Bundle::new()
        .set("/linux/namespaces/0/type", "fish")
        .set("/process/cwd", "rel")
        .set("/process/rlimits/0/type", "RLIMIT_X");
    let run = refused(&container);
    for place in
        ["linux.namespaces[0].type", "process.rlimits[0].type", "process.cwd: cwd must be an absolute"]
    {
        assert!(run.stderr.contains(place), "{place} in {run}");
    }
}

/// It is an unknown one, which a runtime must ignore (config.md, "Extensibility"); Go, and so runc, takes it for the right
/// one. So who asks is told.
#[test]
fn property_in_the_wrong_case_is_noted() {
    need_root!();
    only_skeg!();
    let container = Bundle::probe(&["exit", "0"]).remove("/root/readonly").set("/root/ReadOnly", true);
    container.run().ok();
    let check = container.runtime(&["check"]).arg(container.path()).finish().ok();
    let note = "root.ReadOnly: unknown property, ignored (did you mean \"readonly\"?)";
    assert!(check.stdout.contains(note), "{check}");
}

#[test]
fn unknown_property_is_ignored() {
    need_root!();
    let container = Bundle::probe(&["exit", "0"]).set("/fish", json!({"a": 1})).set("/process/fish", true);
    container.run().ok();
}

#[test]
fn missing_root_is_refused() {
    need_root!();
    refused(&Bundle::new().set("/root/path", "missing")).fails_with("no such file or directory");
}

#[test]
fn configuration_without_a_root_is_refused() {
    need_root!();
    refused(&Bundle::new().remove("/root"));
}

#[test]
fn root_that_is_a_file_is_refused() {
    need_root!();
    let container = Bundle::new().set("/root/path", "config.json");
    refused(&container);
}

#[test]
fn configuration_without_a_process_is_refused() {
    need_root!();
    refused(&Bundle::new().remove("/process"));
}

#[test]
fn empty_arguments_are_refused() {
    need_root!();
    refused(&Bundle::new().args(&[])).fails_with("args");
}

#[test]
fn empty_working_directory_is_refused() {
    need_root!();
    refused(&Bundle::new().set("/process/cwd", "")).fails_with("wd");
}

#[test]
fn relative_working_directory_is_refused() {
    need_root!();
    refused(&Bundle::new().set("/process/cwd", "tmp"));
}

#[test]
fn program_not_in_path_is_refused_at_create() {
    need_root!();
    let container = Bundle::new().args(&["missing"]);
    container.create().exits(1).fails_with("exec: \\\"missing\\\": executable file not found in $PATH");
    container.nothing_left();
}

#[test]
fn program_that_is_not_there_is_refused_at_create() {
    need_root!();
    let container = Bundle::new().args(&["/missing"]);
    container
        .create()
        .exits(1)
        .fails_with("exec: \\\"/missing\\\": stat /missing: no such file or directory");
    container.nothing_left();
}

#[test]
fn program_that_is_not_executable_is_refused_at_create() {
    need_root!();
    let container = Bundle::new().args(&["/plain"]);
    fs::write(container.rootfs().join("plain"), "text").unwrap();
    container.create().exits(1).fails_with("exec: \\\"/plain\\\": permission denied");
    container.nothing_left();
}

#[test]
fn program_that_is_a_directory_is_refused_at_create() {
    need_root!();
    let container = Bundle::new().args(&["/etc"]);
    let output = container.create().exits(1);
    // 1.1.5 says "permission denied".
    assert!(
        output.stderr.contains("is a directory") || output.stderr.contains("permission denied"),
        "{output}"
    );
    container.nothing_left();
}

#[test]
fn program_of_an_unknown_format_is_one_line_of_error() {
    need_root!();
    let container = Bundle::new().args(&["/garbage"]);
    fs::write(container.rootfs().join("garbage"), "no program").unwrap();
    fs::set_permissions(container.rootfs().join("garbage"), fs::Permissions::from_mode(0o755)).unwrap();
    let output = container.run();
    assert_ne!(output.code, 0);
    assert!(output.stderr.contains("exec format error"), "{output}");
    container.nothing_left();
}

/// Seen failing without `is_allowed` in `Id`; mkdir(2) refuses `.` and `..` as well.
#[test]
fn invalid_container_id_is_refused() {
    need_root!();
    let container = Bundle::new();
    for id in ["", "a/b", "../x", ".", "..", "a b", "a\nb", "ü"] {
        container.runtime(&["run", id]).finish().exits(1);
    }
    container.nothing_left();
}

/// Seen failing without MAX in `Id`; mkdir(2) refuses it as well.
#[test]
fn id_of_a_kilobyte_is_refused_or_works() {
    need_root!();
    let container = Bundle::probe(&["exit", "0"]);
    let run = container.runtime(&["run", &"x".repeat(1024)]).finish().exits(1);
    container.nothing_left();
    not_runc!();
    run.fails_with("invalid container ID");
}

#[test]
fn unwritable_state_directory_is_refused() {
    need_root!();
    let container = Bundle::new();
    fs::write(container.file("plain"), "").unwrap();
    let root = container.file("plain/state").display().to_string();
    let run = Invocation::new(skeg_tests::host::runtime()).args(["--root", &root, "run", &container.id]);
    run.cwd(container.path()).finish().fails_with("not a directory");
    container.nothing_left();
}

#[test]
fn read_only_state_directory_is_refused() {
    need_root!();
    let container = Bundle::new();
    let script = format!(
        "mount -t tmpfs -o ro tmpfs {0}/elsewhere && exec {1} --root {0}/elsewhere run {2}",
        container.path().display(),
        skeg_tests::host::runtime().display(),
        container.id
    );
    fs::create_dir(container.file("elsewhere")).unwrap();
    let run = Invocation::new("sh").args(["-c", &script]).cwd(container.path()).private_mounts();
    run.finish().fails_with("read-only file system");
    container.nothing_left();
}

#[test]
fn full_disk_under_the_state_is_refused() {
    need_root!();
    let container = Bundle::new();
    // One page, taken by a file: no room for a state.
    let script = format!(
        "mount -t tmpfs -o size=4k tmpfs {0}/elsewhere && head -c 4096 /dev/zero > {0}/elsewhere/full && \
         exec {1} --root {0}/elsewhere run {2}",
        container.path().display(),
        skeg_tests::host::runtime().display(),
        container.id
    );
    fs::create_dir(container.file("elsewhere")).unwrap();
    let run = Invocation::new("sh").args(["-c", &script]).cwd(container.path()).private_mounts();
    let output = run.finish().exits(1);
    container.nothing_left();
    not_runc!();
    output.fails_with("no space left on device");
}

#[track_caller]
fn with_broken_state(text: &[u8]) -> Bundle {
    let container = Bundle::new();
    let directory = container.state_root().join(&container.id);
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("state.json"), text).unwrap();
    container
}

/// Valid JSON that is no state. runc 1.1.5 dies of `null` itself.
const FOREIGN: &[u8] = b"{\"version\": [], \"pid\": {}}";

#[test]
fn broken_state_is_an_error_and_not_a_crash() {
    need_root!();
    for text in [&b""[..], b"{", b"[]", b"{\"id\": 5}", b"\xff\xfe", FOREIGN] {
        let container = with_broken_state(text);
        container.command("state", &[]).finish().exits(1);
        container.kill("KILL").exits(1);
        container.start().exits(1);
        container.exec(&["true"]).exits(255);
        fs::remove_dir_all(container.state_root()).unwrap();
    }
}

#[test]
fn state_that_is_null_is_an_error() {
    need_root!();
    not_runc!();
    let container = with_broken_state(b"null");
    container.command("state", &[]).finish().exits(1);
    fs::remove_dir_all(container.state_root()).unwrap();
}

#[test]
fn truncated_state_of_a_running_container_is_an_error() {
    need_root!();
    let container = Bundle::pausing().running();
    let path = container.state_root().join(&container.id).join("state.json");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    container.command("state", &[]).finish().exits(1);
    fs::write(&path, &whole).unwrap();
    assert_eq!(container.status(), "running");
}

/// Seen failing where delete takes whatever it can't read for nothing: the container ran on, and nobody knew it.
#[test]
fn forced_delete_keeps_what_it_cannot_read() {
    need_root!();
    let container = Bundle::pausing().running();
    let path = container.state_root().join(&container.id).join("state.json");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    container.command("delete", &["--force"]).finish().exits(1);
    fs::write(&path, &whole).unwrap();
    assert_eq!(container.status(), "running");
    container.command("delete", &["--force"]).finish().ok();
}

#[test]
fn state_that_is_a_directory_is_an_error() {
    need_root!();
    let container = Bundle::new();
    let directory = container.state_root().join(&container.id);
    fs::create_dir_all(directory.join("state.json")).unwrap();
    container.command("state", &[]).finish().exits(1);
    fs::remove_dir_all(container.state_root()).unwrap();
}

#[test]
fn list_skips_what_is_no_container() {
    need_root!();
    let container = Bundle::pausing();
    container.create().ok();
    fs::create_dir(container.state_root().join("foreign")).unwrap();
    let list = container.runtime(&["list", "-q"]).finish();
    fs::remove_dir(container.state_root().join("foreign")).unwrap();
    assert!(list.stdout.contains(&container.id), "{list}");
}

#[test]
fn unknown_mount_source_is_named_by_its_path() {
    need_root!();
    not_runc!();
    refused(&Bundle::new().mount("/data", "bind", "/missing", &["bind"])).fails_with("mounts[7]");
}

#[test]
fn step_that_the_kernel_refuses_is_described() {
    need_root!();
    not_runc!();
    let run = refused(&Bundle::new().mount("/data", "tmpfs", "tmpfs", &["mode=fish"]));
    for part in ["mounts[7]", "tmpfs", "mode=fish", "EINVAL", "invalid argument"] {
        assert_eq!(run.stderr.matches(part).count(), 1, "{part}: {run}");
    }
}

/// Seen failing without the checks for NUL in check/text.rs and plan/text.rs: each of them holds.
#[test]
fn nul_in_a_string_is_refused() {
    need_root!();
    refused(&Bundle::new().args(&["/probe", "say", "a\0b"]));
}

/// The caller's environment is not for us: there are no tables by which a stack could be traced.
#[test]
fn wish_for_a_backtrace_changes_no_error() {
    need_root!();
    for value in ["1", "full"] {
        let container = Bundle::new().set("/process/args", json!([]));
        let run = container.command("run", &[]).env("RUST_BACKTRACE", value).finish();
        run.fails_with("args must not be empty");
        container.nothing_left();
    }
}

/// Seen failing with `process.capabilities`, `process.args[0]`, `prepare` and `create namespaces` as the places.
#[test]
fn what_the_kernel_refuses_is_named_by_its_place() {
    need_root!();
    not_runc!();
    let container = Bundle::pausing().user_namespace(100_000).running();
    for (options, place) in [
        (&["--user", "70000:0"][..], "process.user.uid: setuid: EINVAL"),
        (&["--user", "0:70000"], "process.user.gid: setgid: EINVAL"),
        (&["--additional-gids", "70000"], "process.user.additionalGids: setgroups: EINVAL"),
    ] {
        container.exec_with(options, &["/probe", "exit", "0"]).finish().fails_with(place);
    }
    let offsets = json!({"boottime": {"secs": -4_000_000_000_i64}});
    let clocks = Bundle::new().namespace("time", None).set("/linux/timeOffsets", offsets);
    refused(&clocks).fails_with("linux.timeOffsets: write: ERANGE: numerical result out of range");
    let container = Bundle::new().set("/process/oomScoreAdj", -1000);
    let run = Invocation::new("setpriv").args(["--bounding-set=-sys_resource", "--inh-caps=-sys_resource"]);
    let run = run.arg(host::runtime()).arg("--root").arg(container.state_root());
    let run = run.args(["run", "--bundle"]).arg(container.path()).arg(&container.id).finish();
    run.fails_with("process.oomScoreAdj: write: EACCES");
}
