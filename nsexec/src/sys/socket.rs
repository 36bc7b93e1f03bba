//! Sockets.

use super::{AsFd, BorrowedFd, OwnedFd, Result, call};
use core::mem::MaybeUninit;
use rustix::io::{IoSlice, IoSliceMut};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};

/// `ssize_t send(int fd, const void *buf, size_t len, MSG_NOSIGNAL)`: send(2).
pub fn send(socket: impl AsFd, bytes: &[u8]) -> Result<usize> {
    rustix::net::send(socket, bytes, SendFlags::NOSIGNAL)
}

/// `ssize_t sendmsg(...)` with one descriptor attached (SCM_RIGHTS): unix(7).
pub fn send_fd(socket: impl AsFd, bytes: &[u8], fd: BorrowedFd<'_>) -> Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds = [fd];
    if !control.push(SendAncillaryMessage::ScmRights(&fds)) {
        return Err(super::Errno::NOBUFS);
    }
    rustix::net::sendmsg(socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL)
}

/// `ssize_t recv(int fd, void *buf, size_t len, 0)`: recv(2). 0 is the end: the peer is gone.
pub fn receive(socket: impl AsFd, buffer: &mut [u8]) -> Result<usize> {
    rustix::net::recv(socket, buffer, RecvFlags::empty()).map(|(filled, _)| filled)
}

/// `ssize_t recvmsg(...)` with room for one descriptor (SCM_RIGHTS): unix(7).
pub fn receive_fd(socket: impl AsFd, buffer: &mut [u8]) -> Result<(usize, Option<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut parts = [IoSliceMut::new(buffer)];
    let received = rustix::net::recvmsg(socket, &mut parts, &mut control, RecvFlags::empty())?;
    let fd = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    Ok((received.bytes, fd))
}

/// `int socket(AF_INET, SOCK_DGRAM, 0)`: something to ask the network stack with, netdevice(7).
pub fn inet() -> Result<OwnedFd> {
    rustix::net::socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
}

/// `struct ifreq` with `ifr_flags` (netdevice(7)).
#[repr(C)]
struct Ifreq {
    name: [u8; 16],
    flags: u16,
    rest: [u8; 22],
}

/// Sets IFF_UP on the loopback interface: SIOCGIFFLAGS and SIOCSIFFLAGS, netdevice(7).
pub fn bring_loopback_up(socket: BorrowedFd<'_>) -> Result<()> {
    use rustix::fd::AsRawFd;
    const SIOCGIFFLAGS: u32 = 0x8913;
    const SIOCSIFFLAGS: u32 = 0x8914;
    const IFF_UP: u16 = 1;
    let mut request = Ifreq { name: *b"lo\0\0\0\0\0\0\0\0\0\0\0\0\0\0", flags: 0, rest: [0; 22] };
    let place = core::ptr::from_mut(&mut request);
    // SAFETY: both requests take a `struct ifreq`, of which the first writes the flags; nothing else borrows it.
    unsafe {
        call!(ioctl, socket.as_raw_fd(), SIOCGIFFLAGS, place)?;
        (*place).flags |= IFF_UP;
        call!(ioctl, socket.as_raw_fd(), SIOCSIFFLAGS, place)?;
    }
    Ok(())
}
