//! The seccomp filter: what it decides, and the agent that answers for it.

use std::fs::{self, Permissions};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::thread::JoinHandle;

use nix::cmsg_space;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use skeg_tests::{Bundle, Value, json, leftovers, need_root, not_runc, only_skeg};

/// `struct seccomp_notif` and `struct seccomp_notif_resp` (seccomp_unotify(2)).
#[repr(C)]
#[derive(Default)]
struct Question {
    id: u64,
    pid: u32,
    flags: u32,
    data: [u64; 8],
}
#[repr(C)]
struct Answer {
    id: u64,
    value: i64,
    error: i32,
    flags: u32,
}
/// linux/seccomp.h: what the filter of `without_mkdir` returns, and SECCOMP_RET_ALLOW.
const ERRNO: u32 = 0x0005_0000 | 123;
const ALLOW: u32 = 0x7fff_0000;
const RECEIVE: libc::c_ulong = 0xc050_2100;
const SEND: libc::c_ulong = 0xc018_2101;

/// An agent that takes one listener, answers its first call with ENOMEDIUM, and returns what it was told.
fn agent(container: &Bundle) -> (PathBuf, JoinHandle<Value>) {
    let path = container.file("agent.sock");
    let _ = std::fs::remove_file(&path);
    let socket = UnixListener::bind(&path).expect("bind");
    let answer = move || {
        let (stream, _) = socket.accept().expect("accept");
        let (state, listener) = take(stream);
        let mut question = Question::default();
        // SAFETY: the kernel writes one question, and reads one answer.
        unsafe {
            assert_eq!(libc::ioctl(listener.as_raw_fd(), RECEIVE, &raw mut question), 0);
            let answer = Answer { id: question.id, value: 0, error: -libc::ENOMEDIUM, flags: 0 };
            assert_eq!(libc::ioctl(listener.as_raw_fd(), SEND, &raw const answer), 0);
        }
        state
    };
    (path, std::thread::spawn(answer))
}

/// The state, and the listener that comes with it.
fn take(stream: UnixStream) -> (Value, OwnedFd) {
    let mut bytes = vec![0; 64 * 1024];
    let mut space = cmsg_space!(RawFd);
    let (length, fd) = {
        let mut parts = [std::io::IoSliceMut::new(&mut bytes)];
        let flags = MsgFlags::MSG_CMSG_CLOEXEC;
        let message =
            recvmsg::<()>(stream.as_raw_fd(), &mut parts, Some(&mut space), flags).expect("recvmsg");
        let fds = message.cmsgs().expect("control messages").find_map(|part| match part {
            ControlMessageOwned::ScmRights(fds) => Some(fds),
            _ => None,
        });
        (message.bytes, fds.expect("a descriptor")[0])
    };
    bytes.truncate(length);
    // SAFETY: the kernel has just installed it for this message.
    (serde_json::from_slice(&bytes).expect("JSON"), unsafe { OwnedFd::from_raw_fd(fd) })
}

fn asking(container: Bundle) -> (Bundle, JoinHandle<Value>) {
    let (path, answer) = agent(&container);
    // Otherwise runc init makes such calls itself after it has loaded the filter.
    let container = container.set("/process/noNewPrivileges", true).set(
        "/linux/seccomp",
        json!({
            "defaultAction": "SCMP_ACT_ALLOW",
            "listenerPath": path,
            "listenerMetadata": "what the agent knows",
            "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_NOTIFY"}],
        }),
    );
    (container, answer)
}

/// A container that may not make directories, whose program sees that.
fn without_mkdir(container: Bundle) -> Bundle {
    let rule = json!({"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 123});
    container
        .set("/linux/seccomp", json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}))
        .set("/root/readonly", false)
}

/// The compiled filters that a state root keeps for other containers.
fn kept(container: &Bundle) -> Vec<PathBuf> {
    let entries = fs::read_dir(container.state_root()).expect("a state root");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.file_name().is_some_and(leftovers::is_cache)).collect()
}

/// Seen failing with `exec` taking the text of the profile as part of the program in `file::read`.
#[test]
fn filter_of_an_earlier_container_confines_the_next_one_and_its_execs() {
    only_skeg!();
    need_root!();
    let sections = ["mkdir:/made", "seccomp"];
    let container = without_mkdir(Bundle::seeing(&sections));
    let first = container.seen();
    assert_eq!(first["mkdir:/made"]["error"], "ENOMEDIUM");
    let [filter] = kept(&container).try_into().expect("one filter");
    let file = || fs::metadata(&filter).expect("a file").ino();
    let inode = file();
    let container = container.args(&["/probe", "pause"]).running();
    assert_eq!(file(), inode, "not compiled anew");
    assert_eq!(container.exec_seen(&[], &sections), first);
    // What is no container is not listed as one.
    let listed = container.runtime(&["list", "--quiet"]).finish().ok();
    assert_eq!(listed.stdout.trim(), container.id);
    // It is the container's own as well.
    fs::remove_file(&filter).expect("removed");
    assert_eq!(container.exec_seen(&[], &sections), first);
    container.runtime(&["delete", "--force", &container.id]).finish().ok();
    container.nothing_left();
    assert_eq!(container.args(&["/probe", "see", "mkdir:/made", "then", "see", "seccomp"]).run().code, 0);
}

/// Seen failing without the question for the owner, and without the one for the rights of others, in `cache::find`.
#[test]
fn filter_that_somebody_else_has_put_there_is_not_used() {
    only_skeg!();
    need_root!();
    let container = without_mkdir(Bundle::seeing(&["mkdir:/made"]));
    container.run().ok();
    let [filter] = kept(&container).try_into().expect("one filter");
    // As skeg wrote it, but for the program, which allows all.
    let mut planted = fs::read(&filter).expect("the filter");
    let program = planted.windows(4).position(|word| word == ERRNO.to_ne_bytes()).expect("ERRNO");
    planted[program..program + 4].copy_from_slice(&ALLOW.to_ne_bytes());
    let plant = |owner: u32, mode: u32| {
        let _ = fs::remove_file(&filter);
        fs::write(&filter, &planted).expect("planted");
        fs::set_permissions(&filter, Permissions::from_mode(mode)).expect("chmod");
        chown(&filter, Some(owner), None).expect("chown");
    };
    plant(0, 0o600);
    assert_eq!(container.seen_one()["error"], Value::Null, "root's own: it can do all this anyway");
    for (owner, mode) in [(1000, 0o600), (0, 0o620), (0, 0o602)] {
        plant(owner, mode);
        assert_eq!(container.seen_one()["error"], "ENOMEDIUM", "of {owner}, {mode:o}");
    }
}

#[test]
fn agent_answers_what_the_filter_hands_over() {
    need_root!();
    let (container, answer) = asking(Bundle::seeing(&["mkdir:/made", "fds"]));
    let container = container.set("/annotations", json!({"a": "b"}));
    let seen = container.seen();
    assert_eq!(seen["mkdir:/made"]["error"], "ENOMEDIUM");
    // The listener is the agent's alone.
    assert_eq!(seen["fds"].as_object().expect("fds").len(), 3, "{}", seen["fds"]);
    let told = answer.join().expect("the agent");
    assert_eq!(told["fds"], json!(["seccompFd"]));
    assert_eq!(told["metadata"], "what the agent knows");
    assert_eq!(told["state"]["status"], "creating");
    assert_eq!(told["state"]["annotations"], json!({"a": "b"}));
    assert_eq!(told["state"]["pid"], told["pid"]);
    assert!(told["pid"].as_i64() > Some(1), "{told}");
}

#[test]
fn agent_has_the_listener_before_the_container_is_started() {
    need_root!();
    let (container, answer) = asking(Bundle::seeing(&["mkdir:/made"]));
    container.create().ok();
    container.start().ok();
    assert!(container.line().contains("ENOMEDIUM"));
    assert_eq!(answer.join().expect("the agent")["state"]["status"], "creating");
}

#[test]
fn agent_gets_a_listener_for_each_exec() {
    need_root!();
    let (container, answer) = asking(Bundle::probe(&["see", "mkdir:/made", "then", "pause"]));
    container.create().ok();
    container.start().ok();
    assert!(container.line().contains("ENOMEDIUM"));
    answer.join().expect("the agent");
    let (_, answer) = agent(&container);
    let seen = container.exec_seen(&[], &["mkdir:/made"]);
    assert_eq!(seen["mkdir:/made"]["error"], "ENOMEDIUM");
    let told = answer.join().expect("the agent");
    assert_eq!(told["state"]["status"], "running");
    assert_ne!(told["pid"], told["state"]["pid"]);
}

/// Seen failing with NoNewPrivs put before every filter.
#[test]
fn privileges_may_still_be_gained_beside_a_listener() {
    need_root!();
    let (container, answer) = asking(Bundle::seeing(&["mkdir:/made", "seccomp"]));
    let seen = container.set("/process/noNewPrivileges", false).seen();
    assert_eq!(seen["mkdir:/made"]["error"], "ENOMEDIUM");
    assert_eq!(seen["seccomp"], json!({"Seccomp": "2", "NoNewPrivs": "0"}));
    answer.join().expect("the agent");
}

#[test]
fn agent_that_is_not_there_fails_the_create() {
    only_skeg!();
    need_root!();
    let container = Bundle::seeing(&["pid"]).set(
        "/linux/seccomp",
        json!({
            "defaultAction": "SCMP_ACT_ALLOW",
            "listenerPath": "/nonexistent/agent.sock",
            "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}],
        }),
    );
    container.create().fails_with("linux.seccomp.listenerPath /nonexistent/agent.sock: ENOENT");
    container.nothing_left();
}

#[test]
fn answer_can_be_waited_for_killably() {
    need_root!();
    not_runc!();
    let (container, answer) = asking(Bundle::seeing(&["mkdir:/made"]));
    let flags = json!(["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", "SECCOMP_FILTER_FLAG_TSYNC"]);
    let container = container.set("/linux/seccomp/flags", flags);
    assert_eq!(container.seen_one()["error"], "ENOMEDIUM");
    answer.join().expect("the agent");
}

/// The program can't be executed, and then the process can't even end. Seen failing with a loop around exit_group(2).
#[test]
fn process_that_may_not_even_exit_ends() {
    only_skeg!();
    need_root!();
    let ending = json!({"names": ["execve", "execveat", "exit_group", "exit"], "action": "SCMP_ACT_ERRNO"});
    for filter in [
        json!({"defaultAction": "SCMP_ACT_ERRNO"}),
        json!({"defaultAction": "SCMP_ACT_TRACE"}),
        json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [ending]}),
    ] {
        let container = Bundle::new().args(&["true"]).set("/linux/seccomp", filter);
        assert_ne!(container.run().code, 0);
        container.nothing_left();
    }
}

/// What fails behind a filter that refuses sendto(2). Seen failing with nothing on stderr.
#[test]
fn failure_behind_a_filter_is_told() {
    only_skeg!();
    need_root!();
    let filtered = |names: &[&str]| {
        let rule = json!({"names": names, "action": "SCMP_ACT_ALLOW"});
        let filter = json!({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [rule]});
        Bundle::new().args(&["true"]).set("/linux/seccomp", filter)
    };
    let container = filtered(&["execve", "read", "write", "mmap", "exit_group", "brk"]);
    container.run().fails_with("process.args: close_range: E");
    container.nothing_left();
    let container = filtered(&["execve", "read", "writev", "mmap", "exit_group", "brk"]);
    assert_eq!(container.run().code, 126);
}
