//! The seccomp filter: what it decides, and the agent that answers for it.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::thread::JoinHandle;

use nix::cmsg_space;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use skeg_tests::{Bundle, Value, json, need_root, not_runc, only_skeg};

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
