//! Staying with a process until its end: signals, the terminal, the notify socket, its exit code.

use super::Error;
use super::error::syscall;
use crate::console::{Ends, HostTerminal, Relay};
use crate::notify::NotifySocket;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::os::fd::{AsFd, OwnedFd};

/// Signals, taken as data from before the process exists: none is lost, however early it ends.
pub struct Signals {
    fd: SignalFd,
    before: SigSet,
}

impl Signals {
    /// Blocks all signals and opens the fd that reports them.
    pub fn take() -> Result<Self, Error> {
        let mut before = SigSet::empty();
        let all = SigSet::all();
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&all), Some(&mut before))
            .map_err(syscall("block signals"))?;
        let fd = SignalFd::with_flags(&all, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
            .map_err(syscall("open a signalfd"))?;
        Ok(Self { fd, before })
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        // What has come and nobody is left for would end us before we have said why we fail.
        while let Ok(Some(_)) = self.fd.read_signal() {}
        let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&self.before), None);
    }
}

/// The terminal of a foreground process: the caller's, and the container's.
pub struct Terminal {
    host: HostTerminal,
    relay: Relay,
}

impl Terminal {
    /// Connects the caller's terminal with a pty's master.
    pub fn new(master: OwnedFd) -> Result<Self, Error> {
        let host = HostTerminal::find()?;
        let relay = Relay::new(master)?;
        host.copy_size_to(relay.master());
        host.make_raw()?;
        Ok(Self { host, relay })
    }
}

/// Gives a console's pty the size of the caller's terminal.
pub(super) fn sized_like_the_callers(master: Option<OwnedFd>) -> Result<Option<OwnedFd>, Error> {
    if let Some(master) = &master {
        HostTerminal::find()?.copy_size_to(master.as_fd());
    }
    Ok(master)
}

/// Waits for the end of `pid` and returns its exit code, or 128 + the signal that ended it.
///
/// Other children that end (orphans of the container come to us) are reaped.
pub fn wait(
    pid: Pid,
    signals: &Signals,
    terminal: Option<Terminal>,
    notify: Option<&NotifySocket>,
) -> Result<i32, Error> {
    let mut terminal = terminal;
    loop {
        // First of all: it may have ended before we came here.
        if let Some(code) = reap(pid)? {
            if let Some(terminal) = &mut terminal {
                terminal.relay.drain();
            }
            return Ok(code);
        }
        let ready = poll_once(signals, terminal.as_ref(), notify)?;
        while let Some(signal) = next_signal(signals)? {
            forward(signal, pid, terminal.as_ref());
        }
        if let (Some(terminal), Some(ready)) = (&mut terminal, ready.terminal) {
            terminal.relay.copy(ready);
        }
        if ready.notify
            && let Some(notify) = notify
        {
            notify.forward(pid.as_raw());
        }
    }
}

/// What happened.
struct Ready {
    terminal: Option<Ends<PollFlags>>,
    notify: bool,
}

fn poll_once(
    signals: &Signals,
    terminal: Option<&Terminal>,
    notify: Option<&NotifySocket>,
) -> Result<Ready, Error> {
    let mut fds = vec![PollFd::new(signals.fd.as_fd(), PollFlags::POLLIN)];
    if let Some(terminal) = terminal {
        let Ends { master, input, output } = terminal.relay.interest();
        fds.extend([master, input, output].map(|(fd, flags)| {
            // A hang-up is reported whether it is asked for or not, and so for ever: where nothing is wanted any more,
            // the signals stand in, asked for nothing.
            let fd = if flags.is_empty() { signals.fd.as_fd() } else { fd };
            PollFd::new(fd, flags)
        }));
    }
    if let Some(notify) = notify {
        fds.push(PollFd::new(notify.fd(), PollFlags::POLLIN));
    }
    match poll(&mut fds, PollTimeout::NONE) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(errno) => return Err(Error::Syscall { what: "wait for the container", errno }),
    }
    let mut events = fds.iter().skip(1).map(|fd| fd.revents().unwrap_or(PollFlags::empty()));
    let mut next = || events.next().unwrap_or(PollFlags::empty());
    let terminal = terminal.map(|_| Ends { master: next(), input: next(), output: next() });
    Ok(Ready { terminal, notify: next().contains(PollFlags::POLLIN) })
}

fn next_signal(signals: &Signals) -> Result<Option<i32>, Error> {
    match signals.fd.read_signal() {
        Ok(info) => Ok(info.map(|i| i32::try_from(i.ssi_signo).unwrap_or(0))),
        Err(Errno::EINTR | Errno::EAGAIN) => Ok(None),
        Err(errno) => Err(Error::Syscall { what: "read a signal", errno }),
    }
}

/// All signals go to the process but those that are about us: ended children, the terminal's size, runtime-internal
/// ones (runc's list).
fn forward(signal: i32, pid: Pid, terminal: Option<&Terminal>) {
    match Signal::try_from(signal) {
        Ok(Signal::SIGCHLD | Signal::SIGURG) => {}
        Ok(Signal::SIGWINCH) => {
            if let Some(terminal) = terminal {
                terminal.host.copy_size_to(terminal.relay.master());
            }
        }
        // It is our child and not yet reaped: the pid can't be anybody else's.
        _ => drop(send(pid, signal)),
    }
}

fn send(pid: Pid, signal: i32) -> Result<(), Errno> {
    let pidfd = crate::sys::pidfd_open(pid.as_raw())?;
    crate::sys::pidfd_send_signal(pidfd.as_fd(), signal)
}

/// Reaps every child that has ended; the exit code if `pid` is among them.
fn reap(pid: Pid) -> Result<Option<i32>, Error> {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(ended, code)) if ended == pid => return Ok(Some(code)),
            Ok(WaitStatus::Signaled(ended, signal, _)) if ended == pid => {
                return Ok(Some(128 + signal as i32));
            }
            Ok(WaitStatus::StillAlive) => return Ok(None),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(Error::Syscall { what: "wait for the container", errno }),
        }
    }
}
