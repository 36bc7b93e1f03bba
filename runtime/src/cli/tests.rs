//! The command lines that callers really send, and Go's rules for the rest.

use super::command::{Create, Delete, Exec, Kill, Ps, Update};
use super::format::{Format, PlanFormat};
use super::global::default_root;
use super::size::Size;
use super::user::User;
use super::*;
use crate::container::Signal;
use std::path::PathBuf;

fn skeg() -> Program {
    Program::new(Some(OsStr::new("/usr/bin/skeg")))
}

fn words(line: &str) -> Vec<OsString> {
    line.split_whitespace().map(OsString::from).collect()
}

/// A whole command line, without argv[0].
fn parse(line: &str) -> Result<(Global, Command), Error> {
    parse_words(&words(line))
}

fn parse_words(args: &[OsString]) -> Result<(Global, Command), Error> {
    let Request::Run((global, rest)) = global(&skeg(), args)? else { panic!("prints only") };
    let Request::Run(command) = command(&skeg(), &rest)? else { panic!("prints only") };
    Ok((global, command))
}

fn parsed(line: &str) -> Command {
    parse(line).unwrap_or_else(|error| panic!("{line}: {error}")).1
}

/// What is printed instead of doing anything.
fn printed(line: &str) -> String {
    match global(&skeg(), &words(line)).unwrap() {
        Request::Print(text) => text,
        Request::Run((_, rest)) => match command(&skeg(), &rest).unwrap() {
            Request::Print(text) => text,
            Request::Run(command) => panic!("{line}: {command:?}"),
        },
    }
}

fn message(line: &str) -> String {
    match parse(line) {
        Err(error) => error.to_string(),
        Ok(parsed) => panic!("{line}: {parsed:?}"),
    }
}

fn create(id: &str) -> Create {
    Create {
        bundle: None,
        console_socket: None,
        pidfd_socket: None,
        pid_file: None,
        no_pivot: false,
        no_new_keyring: false,
        preserve_fds: 0,
        id: id.parse().unwrap(),
    }
}

fn exec(id: &str, command: &[&str]) -> Exec {
    Exec {
        console_socket: None,
        pidfd_socket: None,
        cwd: None,
        env: Vec::new(),
        tty: false,
        user: None,
        additional_gids: Vec::new(),
        process: None,
        detach: false,
        pid_file: None,
        process_label: None,
        apparmor: None,
        no_new_privs: false,
        cap: Vec::new(),
        preserve_fds: 0,
        cgroup: Vec::new(),
        ignore_paused: false,
        id: id.parse().unwrap(),
        command: command.iter().map(|&word| word.to_owned()).collect(),
    }
}

fn path(text: &str) -> Option<PathBuf> {
    Some(PathBuf::from(text))
}

#[test]
fn every_command_s_clap_definition_is_sound() {
    for listed in command::COMMANDS {
        let text = printed(&format!("{} --help", listed.name));
        assert!(text.starts_with(&format!("NAME:\n   skeg {} - {}\n\nUSAGE:\n", listed.name, listed.about)));
    }
}

#[test]
fn containerd_create() {
    let line = "--root /run/containerd/runc/k8s.io --log /b/log.json --log-format json --systemd-cgroup \
                create --bundle /b --pid-file /b/init.pid --no-pivot --preserve-fds 2 web";
    let (global, command) = parse(line).unwrap();
    assert_eq!(global.root, PathBuf::from("/run/containerd/runc/k8s.io"));
    assert_eq!((global.log, global.log_format), (path("/b/log.json"), LogFormat::Json));
    assert!(global.systemd_cgroup && !global.debug);
    let expected = Create {
        bundle: path("/b"),
        pid_file: path("/b/init.pid"),
        no_pivot: true,
        preserve_fds: 2,
        ..create("web")
    };
    assert_eq!(command, Command::Create(expected));
}

// CONTRACT.md section 1, trap 1.
#[test]
fn every_go_spelling_of_a_flag_is_the_same() {
    for line in [
        "create --bundle /b x",
        "create -bundle /b x",
        "create --bundle=/b x",
        "create -bundle=/b x",
        "create -b /b x",
        "create --b=/b x",
    ] {
        assert_eq!(parsed(line), Command::Create(Create { bundle: path("/b"), ..create("x") }), "{line}");
    }
    for line in
        ["run -no-subreaper x", "run --no-subreaper=true x", "run -no-subreaper=1 x", "run -no-subreaper=T x"]
    {
        let Command::Run(run) = parsed(line) else { panic!() };
        assert!(run.no_subreaper && !run.detach, "{line}");
    }
}

// Trap 2.
#[test]
fn flags_may_follow_arguments() {
    let expected = Command::Create(Create { bundle: path("."), ..create("f2") });
    assert_eq!(parsed("create f2 --bundle=."), expected);
    assert_eq!(parsed("create f2 --bundle ."), expected);
    let expected = Command::Kill(Kill { all: true, id: "x".parse().unwrap(), signal: Some(Signal(9)) });
    for line in ["kill --all x 9", "kill x --all 9", "kill x 9 -a"] {
        assert_eq!(parsed(line), expected, "{line}");
    }
}

#[test]
fn last_of_several_wins() {
    let (global, command) =
        parse("--root /a -root=/b --debug --debug=false create -b /x --bundle /y --no-pivot=false z")
            .unwrap();
    assert_eq!(global.root, PathBuf::from("/b"));
    assert!(!global.debug);
    assert_eq!(command, Command::Create(Create { bundle: path("/y"), ..create("z") }));
}

#[test]
fn two_dashes_end_the_flags() {
    assert_eq!(parsed("create -b /b -- -x"), Command::Create(Create { bundle: path("/b"), ..create("-x") }));
    assert_eq!(message("state x -- --help"), "/usr/bin/skeg: \"state\" requires exactly 1 argument(s)");
}

#[test]
fn single_dash_is_a_value_and_an_argument() {
    for line in ["update --resources - x", "update --resources=- x", "update x -r -"] {
        let Command::Update(update) = parsed(line) else { panic!() };
        assert_eq!(update.resources, path("-"), "{line}");
    }
    assert_eq!(message("list -"), "/usr/bin/skeg: \"list\" requires exactly 0 argument(s)");
}

#[test]
fn value_may_look_like_a_flag() {
    let Command::Update(update) = parsed("update --cpu-quota -1 --memory=-1 --pids-limit -1 x") else {
        panic!()
    };
    assert_eq!((update.cpu_quota, update.memory, update.pids_limit), (Some(-1), Some(Size(-1)), Some(-1)));
}

#[test]
fn empty_value_is_no_value() {
    assert_eq!(parsed("create --pid-file= --console-socket= x"), Command::Create(create("x")));
    let args = ["--root", "", "--log", "", "state", "x"].map(OsString::from);
    let (global, _) = parse_words(&args).unwrap();
    assert_eq!((global.root, global.log), (Global::default().root, None));
}

// Trap 3.
#[test]
fn signal_may_be_a_number_or_a_name() {
    for (text, number) in [("9", 9), ("KILL", 9), ("SIGKILL", 9), ("sigkill", 9), ("37", 37)] {
        let kill = Kill { all: false, id: "x".parse().unwrap(), signal: Some(Signal(number)) };
        assert_eq!(parsed(&format!("kill x {text}")), Command::Kill(kill), "{text}");
    }
    let kill = Kill { all: false, id: "x".parse().unwrap(), signal: None };
    assert_eq!(parsed("kill x"), Command::Kill(kill));
}

#[test]
fn wrong_signal_is_an_error_without_help() {
    let error = parse("kill x FOO").unwrap_err();
    assert_eq!(error.to_string(), r#"unknown signal "FOO""#);
    assert_eq!((error.stdout(), error.exit_code()), (None, 1));
}

// Trap 4.
#[test]
fn exec_and_ps_leave_what_follows_alone() {
    assert_eq!(
        parsed("exec -t x ls -l --help -- -t"),
        Command::Exec(Box::new(Exec { tty: true, ..exec("x", &["ls", "-l", "--help", "--", "-t"]) }))
    );
    let ps = Ps { format: Format::Table, id: "x".parse().unwrap(), ps_options: words("-o pid -f json") };
    assert_eq!(parsed("ps x -o pid -f json"), Command::Ps(ps));
    let Command::Try(attempt) = parsed("try -- ls -l") else { panic!() };
    assert_eq!(attempt.command, ["ls", "-l"]);
}

#[test]
fn exec_takes_runc_s_flags() {
    let line = "exec --process /tmp/p --detach --pid-file /b/e.pid --console-socket /s -e A=1 --env B=2,3 -u 1000:100 \
                -g 5 -g 6 -c CAP_KILL --cap CAP_CHOWN --cgroup cpu:/a --preserve-fds=1 --cwd / --apparmor a \
                --process-label l --no-new-privs --ignore-paused x";
    let expected = Exec {
        process: path("/tmp/p"),
        detach: true,
        pid_file: path("/b/e.pid"),
        console_socket: path("/s"),
        env: vec!["A=1".to_owned(), "B=2,3".to_owned()],
        user: Some("1000:100".to_owned()),
        additional_gids: vec![5, 6],
        cap: vec!["CAP_KILL".to_owned(), "CAP_CHOWN".to_owned()],
        cgroup: vec!["cpu:/a".to_owned()],
        preserve_fds: 1,
        cwd: path("/"),
        apparmor: Some("a".to_owned()),
        process_label: Some("l".to_owned()),
        no_new_privs: true,
        ignore_paused: true,
        ..exec("x", &[])
    };
    assert_eq!(parsed(line), Command::Exec(Box::new(expected)));
}

#[test]
fn user_is_numbers_that_setresuid_takes_for_users() {
    for text in ["-1", "4294967295", "4294967296", "root", "", "1:", ":1", "1:x", "+1", "1:2:3", " 1"] {
        assert!(text.parse::<User>().is_err(), "{text:?}");
    }
    assert_eq!("0001".parse(), Ok(User { uid: 1, gid: None }));
    assert_eq!("4294967294:0".parse(), Ok(User { uid: 4_294_967_294, gid: Some(0) }));
}

#[test]
fn size_may_have_a_unit() {
    for (text, bytes) in [
        ("0", 0),
        ("1024", 1024),
        ("32m", 32 << 20),
        ("32 MiB", 32 << 20),
        ("1G", 1 << 30),
        ("2kb", 2048),
        ("1.5g", 3 << 29),
        (".5 MiB", 1 << 19),
        ("0.5", 0),
        ("-1", -1),
    ] {
        assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
    }
    for text in [
        "",
        "m",
        "-2",
        "1x",
        "9999999p",
        "99999999999999999999",
        "1.5.5g",
        ".",
        "9007199254740992.5p",
        "1,5g",
        "-0.5",
    ] {
        assert!(text.parse::<Size>().is_err(), "{text}");
    }
}

// Trap 4: help of every command exits 0, whatever else is there.
#[test]
fn help_is_printed_wherever_a_flag_may_stand() {
    for line in
        ["state -h", "state --help", "state x y z --help", "help state", "h state", "--debug state -h"]
    {
        assert!(printed(line).starts_with("NAME:\n   skeg state - "), "{line}");
    }
    for line in ["", "-h", "--help", "help", "h", "--root /x", "-h state", "--debug help"] {
        assert!(printed(line).starts_with("NAME:\n   skeg - "), "{line}");
    }
    assert_eq!(parsed("state --help=false x"), parsed("state x"));
}

#[test]
fn help_has_runc_s_layout() {
    let text = printed("delete -h");
    let expected = "NAME:\n   skeg delete - remove a stopped container and all that belongs to it\n\n\
                    USAGE:\n   skeg delete [command options] <container-id>\n\n\
                    OPTIONS:\n   --force, -f  kill the container first if it runs, and be content if there is none\n";
    assert_eq!(text, expected);
    assert!(printed("exec -h").contains("\n   skeg exec [command options] <container-id> [command...]\n"));
    assert!(!printed("kill -h").contains("--all"));
}

// Trap 5.
#[test]
fn version_has_the_three_lines_that_callers_read() {
    for line in ["-v", "--version", "-version", "--debug -v", "-v state"] {
        let text = printed(line);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{line}");
        assert_eq!(lines[0], concat!("skeg version ", env!("CARGO_PKG_VERSION")));
        assert!(lines[1].starts_with("commit: ") && lines[1].len() > 8);
        assert_eq!(lines[2], "spec: 1.3.0");
    }
}

#[test]
fn program_is_called_what_it_is_installed_as() {
    let runc = Program::new(Some(OsStr::new("/usr/local/sbin/runc")));
    assert!(runc.version().starts_with("runc version "));
    assert_eq!(Program::new(None).name, "skeg");
}

#[test]
fn usage_errors_are_go_s() {
    for (line, expected) in [
        ("--foo", "flag provided but not defined: -foo"),
        ("state -foo x", "flag provided but not defined: -foo"),
        ("state x --foo=1", "flag provided but not defined: -foo"),
        ("create -bundle", "flag needs an argument: -bundle"),
        ("--root", "flag needs an argument: -root"),
        ("restore --lsm-mount-context", "No help topic for 'restore'"),
        ("--debug=xx state a", "invalid boolean value \"xx\" for -debug: parse error"),
        ("---debug", "bad flag syntax: ---debug"),
        ("--=x", "bad flag syntax: --=x"),
        ("foo", "No help topic for 'foo'"),
        ("help foo", "No help topic for 'foo'"),
        ("-- foo", "No help topic for 'foo'"),
        ("state", "/usr/bin/skeg: \"state\" requires exactly 1 argument(s)"),
        ("exec", "/usr/bin/skeg: \"exec\" requires a minimum of 1 argument(s)"),
        ("kill", "/usr/bin/skeg: \"kill\" requires a minimum of 1 argument(s)"),
        ("kill a 1 2", "/usr/bin/skeg: \"kill\" requires a maximum of 2 argument(s)"),
        ("create --preserve-fds=x c", "invalid value \"x\" for flag -preserve-fds: parse error"),
        (
            "create --preserve-fds=-1 c",
            "invalid value \"-1\" for flag -preserve-fds: value out of range: 0 to 4294967295",
        ),
        (
            "update --cpu-period=99999999999999999999 c",
            "invalid value \"99999999999999999999\" for flag -cpu-period: value out of range",
        ),
        ("list -f yaml", "invalid value \"yaml\" for flag -format: invalid format option"),
        ("--log-format=xx state a", "invalid log-format: xx"),
        ("--rootless=maybe state a", "invalid rootless: maybe: not true, false or auto"),
        ("state a/b", "invalid container ID format: \"a/b\""),
        ("--root / state a", "option --root must not be /"),
        ("--root /x/../.. state a", "option --root must not be /"),
    ] {
        assert_eq!(message(line), expected, "{line}");
    }
}

#[test]
fn usage_errors_come_with_help_and_runc_s_exit_codes() {
    let error = parse("state -foo x").unwrap_err();
    let stdout = error.stdout().unwrap_or_default();
    assert!(
        stdout.starts_with("Incorrect Usage: flag provided but not defined: -foo\n\nNAME:\n   skeg state")
    );
    assert_eq!(error.exit_code(), 1);

    let error = parse("state").unwrap_err();
    assert!(error.stdout().unwrap_or_default().starts_with("Incorrect Usage.\n\nNAME:\n   skeg state"));

    let error = parse("--foo").unwrap_err();
    let stdout = error.stdout().unwrap_or_default();
    assert!(stdout.starts_with("Incorrect Usage. flag provided but not defined: -foo\n\nNAME:\n   skeg - "));

    assert_eq!(parse("foo").unwrap_err().exit_code(), 3);
}

// Trap 6.
#[test]
fn names_that_callers_make_are_taken() {
    let docker = "f".repeat(64);
    for id in [docker.as_str(), "buildah-buildah123", "k3j2h1g9f8d7s6a5", "a.b_c+d-e"] {
        let Command::Delete(Delete { id: parsed, force: true }) = parsed(&format!("delete --force {id}"))
        else {
            panic!()
        };
        assert_eq!(parsed.as_str(), id);
    }
}

#[test]
fn relative_root_is_made_absolute() {
    let (global, _) = parse("--root a/../b state x").unwrap();
    assert_eq!(global.root, std::env::current_dir().unwrap().join("b"));
}

#[test]
fn default_root_depends_on_who_calls() {
    let root = |is_root, xdg: Option<&str>, user: Option<&str>, is_in_userns| {
        default_root(is_root, xdg.map(OsStr::new), user.map(OsStr::new), || is_in_userns)
    };
    let system = (PathBuf::from("/run/skeg"), false);
    let own = (PathBuf::from("/run/user/7/skeg"), true);
    let xdg = Some("/run/user/7");

    assert_eq!(root(true, xdg, None, false), system);
    assert_eq!(root(true, xdg, Some("root"), true), system);
    assert_eq!(root(true, xdg, Some("me"), true), own);
    assert_eq!(root(true, xdg, None, true), own);
    assert_eq!(root(false, xdg, Some("root"), false), own);
    assert_eq!(root(false, Some(""), None, false), system);
    assert_eq!(root(false, None, None, false), system);
}

#[test]
fn rootless_is_true_false_or_to_be_found_out() {
    assert_eq!(parse("state x").unwrap().0.rootless, None);
    assert_eq!(parse("--rootless auto state x").unwrap().0.rootless, None);
    assert_eq!(parse("--rootless=true state x").unwrap().0.rootless, Some(true));
    assert_eq!(parse("--rootless false state x").unwrap().0.rootless, Some(false));
}

#[test]
fn argument_that_is_no_utf8_is_an_error() {
    use std::os::unix::ffi::OsStringExt as _;
    let args = [OsString::from("state"), OsString::from_vec(vec![b'a', 0xff])];
    assert!(parse_words(&args).is_err());
    let args = [OsString::from_vec(vec![b'-', 0xff]), OsString::from("state")];
    assert!(parse_words(&args).is_err());
}

#[test]
fn plan_and_try_are_ours() {
    let Command::Plan(plan) = parsed("plan --format=hex /b") else { panic!() };
    assert_eq!((plan.format, plan.bundle), (PlanFormat::Hex, PathBuf::from("/b")));
    let Command::Try(attempt) = parsed("try") else { panic!() };
    assert!(attempt.command.is_empty());
    let Command::Update(update) = parsed("update --memory 1g --kernel-memory=1 x") else { panic!() };
    assert_eq!(
        *update,
        Update { memory: Some(Size(1 << 30)), kernel_memory: Some(Size(1)), ..empty_update() }
    );
}

fn empty_update() -> Update {
    let Command::Update(update) = parsed("update x") else { panic!() };
    *update
}
