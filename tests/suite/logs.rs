//! The log: where it goes and in what form, because callers read it to find the reason of a failure.

use std::fs;

use skeg_tests::{Bundle, Value, need_root, not_runc};

/// A bundle whose creation fails: its program is missing.
fn failing() -> Bundle {
    Bundle::new().args(&["missing-program"])
}

#[track_caller]
fn lines(container: &Bundle) -> Vec<String> {
    let text = fs::read_to_string(container.file("log")).expect("a log");
    text.lines().map(str::to_owned).collect()
}

#[test]
fn failure_is_one_line_on_stderr() {
    need_root!();
    let container = failing();
    let output = container.run().exits(1);
    let line = output.stderr.trim_end();
    assert_eq!(line.lines().count(), 1, "{output}");
    assert!(line.starts_with("time=\""), "{output}");
    assert!(line.contains("level=error msg=\""), "{output}");
    container.nothing_left();
}

#[test]
fn json_log_is_one_object_that_callers_can_read() {
    need_root!();
    let container = failing();
    container.runtime(&["--log", "log", "--log-format", "json", "create", &container.id]).finish().exits(1);
    let lines = lines(&container);
    assert_eq!(lines.len(), 1, "{lines:?}");
    let entry: Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!(entry["level"], "error");
    let message = entry["msg"].as_str().unwrap();
    assert!(message.contains("executable file not found in $PATH"), "{message}");
    assert!(entry["time"].as_str().unwrap().starts_with("20"), "{entry}");
}

#[test]
fn failure_is_on_stderr_as_well_as_in_the_log() {
    need_root!();
    let container = failing();
    let output = container
        .runtime(&["--log", "log", "--log-format", "json", "create", &container.id])
        .finish()
        .exits(1);
    assert!(output.stderr.contains("executable file not found in $PATH"), "{output}");
}

#[test]
fn text_log_has_the_fields_of_logrus() {
    need_root!();
    let container = failing();
    container.runtime(&["--log", "log", "run", &container.id]).finish().exits(1);
    let lines = lines(&container);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("time=\"20"), "{lines:?}");
    assert!(lines[0].contains(" level=error msg=\""), "{lines:?}");
}

#[test]
fn log_is_appended_to() {
    need_root!();
    let container = failing();
    fs::write(container.file("log"), "before\n").unwrap();
    container.runtime(&["--log", "log", "run", &container.id]).finish().exits(1);
    assert_eq!(lines(&container)[0], "before");
}

#[test]
fn success_leaves_the_log_empty() {
    need_root!();
    let container = Bundle::probe(&["exit", "0"]);
    container.runtime(&["--log", "log", "--log-format", "json", "run", &container.id]).finish().ok();
    assert_eq!(lines(&container), Vec::<String>::new());
}

#[test]
fn debug_log_tells_more() {
    need_root!();
    let container = Bundle::probe(&["exit", "0"]);
    let words = ["--debug", "--log", "log", "--log-format", "json", "run", &container.id];
    container.runtime(&words).finish().ok();
    let entries: Vec<Value> =
        lines(&container).iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(entries.iter().any(|entry| entry["level"] == "debug"), "{entries:?}");
}

#[test]
fn unknown_log_format_is_refused() {
    need_root!();
    let container = Bundle::new();
    container.runtime(&["--log-format", "xml", "run", &container.id]).finish().exits(1);
    container.nothing_left();
}

#[test]
fn log_that_cannot_be_opened_is_an_error() {
    need_root!();
    let container = Bundle::new();
    container.runtime(&["--log", "/missing/directory/log", "run", &container.id]).finish().exits(1);
    container.nothing_left();
}

/// Seen failing with the line of JSON put together by format!.
#[test]
fn newline_in_a_name_stays_inside_one_line_of_the_log() {
    need_root!();
    let container = Bundle::new().args(&["missing\n{\"level\":\"info\"}\u{1b}[31m"]);
    let words = ["--log", "log", "--log-format", "json", "run", &container.id];
    container.runtime(&words).finish().exits(1);
    let lines = lines(&container);
    assert_eq!(lines.len(), 1, "{lines:?}");
    serde_json::from_str::<Value>(&lines[0]).unwrap();
}

/// Seen failing with lines of up to 60 KB, whose end conmon cuts off.
#[test]
fn error_about_something_long_is_a_line_with_its_reason() {
    need_root!();
    not_runc!();
    let fits = |container: &Bundle, reason: &str| {
        let words = ["--log", "log", "--log-format", "json", "run", &container.id];
        let output = container.runtime(&words).finish().exits(1);
        let lines = lines(container);
        assert!(lines.len() == 1 && lines[0].len() < 8192 && output.stderr.len() < 8192, "{output}");
        assert!(output.stderr.contains(reason), "{output}");
    };
    let long = "x".repeat(20_000);
    fits(&Bundle::new().args(&[&long]), "executable file not found in $PATH");
    fits(
        &Bundle::new().hook_with("createRuntime", skeg_tests::json!({"path": format!("/{long}")})),
        "ENAMETOOLONG",
    );
    let sysctls = skeg_tests::json!({format!("net.{long}"): "1", format!("vm.{long}"): "1"});
    fits(&Bundle::new().set("/linux/sysctl", sysctls), "not allowed");
}

/// Seen failing where the error of a variable without "=" repeats it.
#[test]
fn secrets_of_the_environment_are_not_in_the_error() {
    need_root!();
    let env = skeg_tests::json!(["PASSWORD=hush-hush"]);
    let output = failing().set("/process/env", env).run().exits(1);
    assert!(!output.stderr.contains("hush-hush"), "{output}");
    // Also where the variable itself is what is wrong.
    for wrong in ["hush-hush", "=hush-hush", "PASSWORD=hush-hush\u{0}"] {
        let output = failing().set("/process/env", skeg_tests::json!([wrong])).run();
        not_runc!();
        assert!(!output.exits(1).stderr.contains("hush-hush"), "{wrong}");
    }
}
