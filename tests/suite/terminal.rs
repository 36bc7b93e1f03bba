//! Terminals: in the foreground, and handed over by a console socket.

use nix::sys::termios::LocalFlags;
use skeg_tests::pty::{ConsoleSocket, Terminal};
use skeg_tests::{Bundle, Value, need_root, not_runc};

/// A bundle with a terminal whose program sees what it is connected to.
fn seeing_terminal() -> Bundle {
    Bundle::seeing(&["tty", "stat:/dev/console"]).set("/process/terminal", true)
}

#[track_caller]
fn parse(line: &str) -> Value {
    let start = line.find('{').unwrap_or_else(|| panic!("no JSON in {line:?}"));
    serde_json::from_str(line[start..].trim_end()).unwrap_or_else(|error| panic!("{error}: {line:?}"))
}

#[test]
fn foreground_run_has_a_terminal_of_the_callers_size() {
    need_root!();
    let container = seeing_terminal();
    let (mut terminal, slave) = Terminal::open(33, 101);
    let mut run = container.command("run", &[]).terminal(slave).spawn();
    let seen = parse(&terminal.wait_for("}}"));
    assert_eq!(run.wait(), 0);
    assert_eq!(seen["tty"]["stdio"], skeg_tests::json!([true, true, true]));
    assert_eq!(seen["tty"]["controlling"], true);
    assert_eq!(seen["stat:/dev/console"]["type"], "char");
    not_runc!();
    assert_eq!(seen["tty"]["size"], "33x101");
}

#[test]
fn what_is_typed_arrives_and_is_echoed_once() {
    need_root!();
    let container = Bundle::script("echo ready; read -r line; echo got:$line").set("/process/terminal", true);
    let (mut terminal, slave) = Terminal::open(24, 80);
    let mut run = container.command("run", &[]).terminal(slave).spawn();
    // Typed earlier it would be echoed by the caller's terminal as well, which is not yet raw.
    terminal.wait_for("ready");
    terminal.type_in("hello\n");
    let shown = terminal.wait_for("got:hello");
    assert_eq!(run.wait(), 0);
    assert_eq!(shown.matches("hello").count(), 2, "{shown:?}");
}

#[test]
fn interrupt_key_reaches_the_program_and_not_the_runtime() {
    need_root!();
    let container = Bundle::pausing().set("/process/terminal", true);
    let (mut terminal, slave) = Terminal::open(24, 80);
    let mut run = container.command("run", &[]).terminal(slave).spawn();
    terminal.wait_for("ready");
    terminal.type_in("\x03");
    terminal.wait_for("signal 2");
    assert_eq!(run.wait(), 0);
}

#[test]
fn change_of_size_is_passed_on() {
    need_root!();
    let container = Bundle::pausing().set("/process/terminal", true);
    let (mut terminal, slave) = Terminal::open(24, 80);
    let mut run = container.command("run", &[]).terminal(slave).spawn();
    terminal.wait_for("ready");
    terminal.resize(50, 132);
    terminal.wait_for("size \"50x132\"");
    run.signal(libc::SIGTERM);
    assert_eq!(run.wait(), 0);
}

#[test]
fn terminal_of_the_caller_is_raw_during_the_run_and_restored_after() {
    need_root!();
    let container = Bundle::pausing().set("/process/terminal", true);
    let (mut terminal, slave) = Terminal::open(24, 80);
    let before = terminal.settings();
    // A copy keeps the terminal, and so its settings, after the runtime has closed it.
    let keep = slave.try_clone().unwrap();
    let mut run = container.command("run", &[]).terminal(slave).spawn();
    terminal.wait_for("ready");
    let raw = LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG;
    assert!(!terminal.settings().local_flags.intersects(raw));
    container.kill("TERM").ok();
    assert_eq!(run.wait(), 0);
    assert_eq!(terminal.settings().local_flags, before.local_flags);
    drop(keep);
}

#[test]
fn terminal_is_sent_to_the_console_socket() {
    need_root!();
    let container = seeing_terminal();
    let socket = ConsoleSocket::listen(&container.file("console.sock"));
    let create = container.command("create", &["--console-socket", socket.path()]).spawn();
    let (name, mut terminal) = socket.receive();
    container.detached_running(create).ok();
    assert!(name.contains("ptmx") || name.starts_with("/dev/pts/"), "{name}");
    container.start().ok();
    let seen = parse(&terminal.wait_for("}}"));
    assert_eq!(container.wait(), 0);
    assert_eq!(seen["tty"]["stdio"], skeg_tests::json!([true, true, true]));
    assert_eq!(seen["tty"]["controlling"], true);
}

#[test]
fn detached_run_sends_its_terminal_to_the_console_socket() {
    need_root!();
    let container = Bundle::pausing().set("/process/terminal", true);
    let socket = ConsoleSocket::listen(&container.file("console.sock"));
    let run = container.command("run", &["-d", "--console-socket", socket.path()]).spawn();
    let (_, mut terminal) = socket.receive();
    container.detached_running(run).ok();
    terminal.wait_for("ready");
    terminal.resize(50, 132);
    terminal.wait_for("size \"50x132\"");
}

#[test]
fn console_size_of_the_configuration_is_used() {
    need_root!();
    let size = skeg_tests::json!({"height": 31, "width": 77});
    let container = seeing_terminal().set("/process/consoleSize", size);
    let socket = ConsoleSocket::listen(&container.file("console.sock"));
    let create = container.command("create", &["--console-socket", socket.path()]).spawn();
    let (_, mut terminal) = socket.receive();
    container.detached_running(create).ok();
    container.start().ok();
    assert_eq!(parse(&terminal.wait_for("}}"))["tty"]["size"], "31x77");
    container.wait();
}

#[test]
fn user_owns_the_terminal() {
    need_root!();
    let container = Bundle::seeing(&["stat:/dev/pts/0"]).set("/process/terminal", true);
    let container = container.set("/process/user", skeg_tests::json!({"uid": 1000, "gid": 1000}));
    let (mut terminal, slave) = Terminal::open(24, 80);
    let mut run = container.command("run", &[]).terminal(slave).spawn();
    assert_eq!(parse(&terminal.wait_for("}}"))["stat:/dev/pts/0"]["uid"], 1000);
    run.wait();
}

#[test]
fn exec_with_tty_has_a_terminal() {
    need_root!();
    let container = Bundle::pausing().running();
    let (mut terminal, slave) = Terminal::open(24, 80);
    let words = ["/probe", "see", "tty"];
    let mut exec = container.exec_with(&["--tty"], &words).terminal(slave).spawn();
    let seen = parse(&terminal.wait_for("}}"));
    assert_eq!(exec.wait(), 0);
    assert_eq!(seen["tty"]["stdio"], skeg_tests::json!([true, true, true]));
    assert_eq!(seen["tty"]["controlling"], true);
}

#[test]
fn exec_with_tty_can_be_typed_into() {
    need_root!();
    let container = Bundle::pausing().running();
    let (mut terminal, slave) = Terminal::open(24, 80);
    let words = ["sh", "-c", "read -r line; echo got:$line; exit 9"];
    let mut exec = container.exec_with(&["-t"], &words).terminal(slave).spawn();
    terminal.type_in("hello\n");
    terminal.wait_for("got:hello");
    assert_eq!(exec.wait(), 9);
}

#[test]
fn detached_exec_sends_its_terminal_to_the_console_socket() {
    need_root!();
    let container = Bundle::pausing().running();
    let socket = ConsoleSocket::listen(&container.file("console.sock"));
    let options = ["-d", "-t", "--console-socket", socket.path(), "--pid-file", "exec.pid"];
    let exec = container.exec_with(&options, &["/probe", "see", "tty"]).spawn();
    let (_, mut terminal) = socket.receive();
    exec.detach().0.ok();
    assert_eq!(parse(&terminal.wait_for("}}"))["tty"]["controlling"], true);
}

#[test]
fn detached_terminal_without_a_console_socket_is_refused() {
    need_root!();
    let container = Bundle::new().set("/process/terminal", true);
    container.create().fails_with("cannot allocate tty if runc will detach without setting console socket");
    container.nothing_left();
}

#[test]
fn console_socket_without_a_terminal_is_refused() {
    need_root!();
    let container = Bundle::new();
    let socket = ConsoleSocket::listen(&container.file("console.sock"));
    let create = container.command("create", &["--console-socket", socket.path()]).finish();
    create.fails_with("cannot use console socket if runc will not detach or allocate tty");
    container.nothing_left();
}

#[test]
fn missing_console_socket_is_refused() {
    need_root!();
    let container = Bundle::new().set("/process/terminal", true);
    container.command("create", &["--console-socket", "missing.sock"]).finish().exits(1);
    container.nothing_left();
}
