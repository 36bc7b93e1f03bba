//! Pseudo-terminals: pty(7), ioctl_tty(2).

use super::{AsFd, BorrowedFd, OwnedFd, Result, call};
use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;

/// `ioctl(fd, TIOCSPTLCK, 0)`: the slave may be opened.
pub fn unlock(master: impl AsFd) -> Result<()> {
    rustix::pty::unlockpt(master)
}

/// `ioctl(fd, TIOCGPTPEER, flags)`: opens the slave by its master, whatever lies at its path.
pub fn peer(master: impl AsFd) -> Result<OwnedFd> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    rustix::pty::ioctl_tiocgptpeer(master, flags)
}

/// `ioctl(fd, TIOCGPTN, unsigned *)`: the slave's number, its name in devpts.
pub fn number(master: BorrowedFd<'_>) -> Result<u32> {
    use rustix::fd::AsRawFd;
    const TIOCGPTN: u32 = 0x8004_5430;
    let mut number = 0u32;
    // SAFETY: the kernel writes an unsigned int there.
    unsafe { call!(ioctl, master.as_raw_fd(), TIOCGPTN, core::ptr::from_mut(&mut number)) }?;
    Ok(number)
}

/// `ioctl(fd, TIOCSWINSZ, const struct winsize *)`.
pub fn set_size(terminal: impl AsFd, rows: u16, columns: u16) -> Result<()> {
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(terminal, size)
}

/// `ioctl(fd, TIOCSCTTY, 0)`: the session's controlling terminal.
pub fn set_controlling(terminal: impl AsFd) -> Result<()> {
    rustix::process::ioctl_tiocsctty(terminal)
}
