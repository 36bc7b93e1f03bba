//! The container's terminal.

use crate::harness;
use crate::plan::{Plan, c, filesystem};
use nix::cmsg_space;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use skeg_proto::Op;
use skeg_proto::step::StepBuf;
use std::fs::{self, File};
use std::io::{IoSliceMut, Read};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;

fn with_devpts(args: &[&str]) -> Plan {
    let devpts = filesystem("/dev/pts", "devpts", &["newinstance", "ptmxmode=0666", "mode=0620"]);
    Plan::new(args).with(devpts)
}

fn console(mount: bool) -> StepBuf {
    StepBuf::Console { socket: 9, rows: 33, columns: 77, mount }
}

/// The text and the descriptor that came by a socket.
fn receive(socket: &UnixStream) -> (String, File) {
    let mut bytes = [0; 64];
    let mut space = cmsg_space!(RawFd);
    let mut buffers = [IoSliceMut::new(&mut bytes)];
    let message =
        recvmsg::<()>(socket.as_raw_fd(), &mut buffers, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC)
            .unwrap();
    let fd = message.cmsgs().unwrap().find_map(|control| match control {
        ControlMessageOwned::ScmRights(fds) => fds.first().copied(),
        _ => None,
    });
    let count = message.bytes;
    // SAFETY: the kernel has just made it for this process.
    let file = unsafe { File::from_raw_fd(fd.expect("a descriptor is attached")) };
    (String::from_utf8(bytes[..count].to_vec()).unwrap(), file)
}

/// What the terminal shows until its last user is gone (EIO).
fn all_of(mut master: File) -> String {
    let mut text = Vec::new();
    let mut chunk = [0; 4096];
    while let Ok(count @ 1..) = master.read(&mut chunk) {
        text.extend_from_slice(&chunk[..count]);
    }
    String::from_utf8(text).unwrap()
}

#[test]
fn the_master_is_handed_out() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let plan = with_devpts(&["sh", "-c", "tty; stty size; ls -l /dev/console"]).pivot().with(console(true));
    let running = harness::start(&[], &plan.bytes(), &[(theirs.as_raw_fd(), 9)]);
    drop(theirs);
    let (name, master) = receive(&ours);
    let reader = std::thread::spawn(move || all_of(master));
    let outcome = running.finish();
    assert_eq!(outcome.failure(), None);
    let text = reader.join().unwrap();
    assert_eq!(name, "/dev/pts/0");
    assert!(text.starts_with("/dev/pts/0\r\n33 77\r\n"), "{text}");
    assert!(text.contains("136,   0"), "{text}");
    assert_eq!(fs::symlink_metadata(plan.path("dev/console")).unwrap().len(), 0);
}

/// Seen failing with O_NOFOLLOW taken out of `console_file`.
#[test]
fn a_console_that_is_a_symlink_is_refused() {
    let (_ours, theirs) = UnixStream::pair().unwrap();
    let plan = with_devpts(&["true"]);
    symlink("/etc", plan.path("dev/console")).unwrap();
    let plan = plan.pivot().with(console(true));
    let outcome = harness::run(&plan.bytes(), &[(theirs.as_raw_fd(), 9)]);
    assert_eq!(outcome.failure().map(|failure| failure.op), Some(Op::OpenTarget), "{outcome:?}");
}

/// Seen failing without the look at the file system's magic number in `open_master`: there was another error.
#[test]
fn a_console_without_a_devpts_is_refused() {
    let (_ours, theirs) = UnixStream::pair().unwrap();
    let plan = Plan::new(&["true"]).with(StepBuf::Directory { path: c("/dev/pts"), mode: 0o755 });
    fs::write(plan.path("dev/ptmx"), "").unwrap();
    let plan = plan.pivot().with(console(false));
    let outcome = harness::run(&plan.bytes(), &[(theirs.as_raw_fd(), 9)]);
    assert_eq!(outcome.failure().map(|failure| failure.op), Some(Op::Verify), "{outcome:?}");
}
