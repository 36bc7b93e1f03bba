//! Terminals: in the foreground, and handed over by a console socket.

use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::thread;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::Mode;
use nix::sys::termios::LocalFlags;
use nix::unistd::mkfifo;
use skeg_tests::process::wait_for_end;
use skeg_tests::pty::{ConsoleSocket, Terminal};
use skeg_tests::{Bundle, Invocation, Value, host, need_root, not_runc};

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

/// Seen failing where `exec` forgets the size: 0x0.
#[test]
fn terminal_of_a_detached_exec_has_the_size_of_the_configuration() {
    need_root!();
    let size = skeg_tests::json!({"height": 31, "width": 77});
    let container = Bundle::pausing().set("/process/consoleSize", size).running();
    let socket = ConsoleSocket::listen(&container.file("console.sock"));
    let options = ["-d", "-t", "--console-socket", socket.path()];
    let exec = container.exec_with(&options, &["/probe", "see", "tty"]).spawn();
    let (_, mut terminal) = socket.receive();
    exec.detach().0.ok();
    assert_eq!(parse(&terminal.wait_for("}}"))["tty"]["size"], "31x77");
}

/// `exec -t` with its words by a shell, which does something to its own streams first.
fn exec_from_shell(container: &Bundle, redirection: &str, words: &[&str]) -> Invocation {
    let script = format!("exec \"$0\" \"$@\" {redirection}");
    let shell = Invocation::new("sh").args(["-c", &script]).arg(host::runtime());
    let shell = shell.arg("--root").arg(container.state_root()).args(["exec", "-t", &container.id]);
    shell.args(words).cwd(container.path())
}

/// Seen failing where hang-ups are polled for when they have been seen: half of all CPU time.
#[test]
fn nothing_is_done_for_streams_that_have_ended() {
    need_root!();
    let container = Bundle::pausing().running();
    mkfifo(&container.file("fifo"), Mode::S_IRWXU).unwrap();
    let (mut terminal, slave) = Terminal::open(24, 80);
    let words = ["sh", "-c", "echo ready; exec /probe pause <&- >&- 2>&-"];
    let writer = Invocation::new("sh").args(["-c", ": >fifo"]).cwd(container.path()).spawn();
    let mut exec = exec_from_shell(&container, "<fifo", &words).terminal(slave).spawn();
    terminal.wait_for("ready");
    writer.finish().ok();
    let before = ticks(exec.pid());
    thread::sleep(Duration::from_secs(1));
    let spent = ticks(exec.pid()) - before;
    container.kill("KILL").ok();
    assert_eq!(exec.wait(), 137);
    assert!(spent < 10, "{spent} hundredths of a second of CPU time in a second");
}

/// Seen failing where what the program writes is written on at once: the signal waited for the reader.
#[test]
fn signals_are_passed_on_while_nobody_reads() {
    need_root!();
    let container = Bundle::pausing().running();
    mkfifo(&container.file("fifo"), Mode::S_IRWXU).unwrap();
    let (_terminal, slave) = Terminal::open(24, 80);
    // Open for both, it waits for nobody.
    let mut fifo = File::options().read(true).write(true).open(container.file("fifo")).unwrap();
    let words = ["sh", "-c", "while :; do echo line; done"];
    let mut exec = exec_from_shell(&container, ">fifo", &words).terminal(slave).spawn();
    let mut line = [0; 4];
    fifo.read_exact(&mut line).unwrap();
    let program = only_child(exec.pid());
    while !is_full(&fifo) {
        thread::sleep(Duration::from_millis(1));
    }
    exec.signal(libc::SIGTERM);
    wait_for_end(program, "the program");
    // What is left may be more than the pipe holds.
    thread::spawn(move || std::io::copy(&mut fifo, &mut std::io::sink()));
    assert_eq!(exec.wait(), 143);
}

fn only_child(pid: i32) -> i32 {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    let children = threads.map(|thread| std::fs::read_to_string(thread.path().join("children")).unwrap());
    children.collect::<String>().trim().parse().unwrap()
}

/// Whether a pipe takes nothing more.
fn is_full(pipe: &File) -> bool {
    let mut fds = [PollFd::new(pipe.as_fd(), PollFlags::POLLOUT)];
    poll(&mut fds, PollTimeout::ZERO).unwrap() == 0
}

/// Seen failing without `fill_closed`: nsexec had the root where the terminal came.
#[test]
fn closed_stdin_of_the_caller_is_no_obstacle() {
    need_root!();
    let container = Bundle::pausing().running();
    let (mut terminal, slave) = Terminal::open(24, 80);
    let mut exec = exec_from_shell(&container, "<&-", &["/probe", "see", "tty"]).terminal(slave).spawn();
    assert_eq!(parse(&terminal.wait_for("}}"))["tty"]["controlling"], true);
    assert_eq!(exec.wait(), 0);
}

/// The CPU time that a process has had, in hundredths of a second.
fn ticks(pid: i32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, rest) = stat.rsplit_once(')').unwrap();
    // utime and stime, proc_pid_stat(5).
    rest.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum()
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
