//! Requests to the kernel's routing socket: rtnetlink(7). Only what moving a device takes.

use nix::errno::Errno;
use nix::libc::{self, c_int};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

const HEADER: usize = 16;
const LINK: usize = 16;
const ADDRESS: usize = 8;

/// A routing socket: it speaks of the network namespace that it was opened in.
pub(super) struct Socket(OwnedFd);

/// An address that a device keeps: the kernel's description of it, without the device.
pub(super) struct Address(Vec<u8>);

impl Socket {
    pub(super) fn open() -> Result<Self, Errno> {
        let flags = SockFlag::SOCK_CLOEXEC;
        socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute).map(Self)
    }

    /// The index of the device with this name.
    pub(super) fn index_of(&self, name: &str) -> Result<i32, Errno> {
        let mut body = link(0, 0);
        attribute(&mut body, libc::IFLA_IFNAME, &c_name(name));
        let answers = self.request(libc::RTM_GETLINK, 0, &body)?;
        let index = |body: &Vec<u8>| body.get(4..8).and_then(|index| index.try_into().ok());
        answers.iter().find_map(index).map(i32::from_ne_bytes).ok_or(Errno::ENODEV)
    }

    /// The addresses that were given to the device for good and reach beyond its link; others the kernel makes anew.
    pub(super) fn addresses_of(&self, device: i32) -> Result<Vec<Address>, Errno> {
        const SCOPE_GLOBAL: u8 = 0;
        let all = self.request(libc::RTM_GETADDR, libc::NLM_F_DUMP, &[0; ADDRESS])?;
        let is_kept = |body: &Vec<u8>| {
            let index = body.get(4..8).and_then(|index| index.try_into().ok()).map(i32::from_ne_bytes);
            let flags = u32::from(body.get(2).copied().unwrap_or_default());
            let is_permanent = flags & libc::IFA_F_PERMANENT != 0;
            index == Some(device) && body.get(3) == Some(&SCOPE_GLOBAL) && is_permanent
        };
        Ok(all.into_iter().filter(is_kept).map(Address).collect())
    }

    /// Moves the device into another network namespace, under a name that is free there.
    pub(super) fn move_device(
        &self,
        device: i32,
        namespace: BorrowedFd<'_>,
        name: &str,
    ) -> Result<(), Errno> {
        let mut body = link(device, 0);
        attribute(&mut body, libc::IFLA_NET_NS_FD, &namespace.as_raw_fd().to_ne_bytes());
        attribute(&mut body, libc::IFLA_IFNAME, &c_name(name));
        self.request(libc::RTM_NEWLINK, 0, &body).map(drop)
    }

    pub(super) fn bring_up(&self, device: i32) -> Result<(), Errno> {
        self.request(libc::RTM_NEWLINK, 0, &link(device, libc::IFF_UP as u32)).map(drop)
    }

    /// Gives the device an address that it had elsewhere.
    pub(super) fn add_address(&self, device: i32, address: &Address) -> Result<(), Errno> {
        let mut body = address.0.clone();
        if let Some(index) = body.get_mut(4..8) {
            index.copy_from_slice(&device.to_ne_bytes());
        }
        // How long it lives is not to be set, and a label has the device's former name.
        let body = without(&without(&body, libc::IFA_CACHEINFO), libc::IFA_LABEL);
        match self.request(libc::RTM_NEWADDR, libc::NLM_F_CREATE, &body) {
            Err(Errno::EEXIST) => Ok(()),
            done => done.map(drop),
        }
    }

    /// Sends one request and collects the answers to it.
    fn request(&self, kind: u16, flags: c_int, body: &[u8]) -> Result<Vec<Vec<u8>>, Errno> {
        const ERROR: u16 = libc::NLMSG_ERROR as u16;
        const DONE: u16 = libc::NLMSG_DONE as u16;
        let flags = (libc::NLM_F_REQUEST | libc::NLM_F_ACK | flags) as u16;
        let mut message = ((HEADER + body.len()) as u32).to_ne_bytes().to_vec();
        message.extend_from_slice(&kind.to_ne_bytes());
        message.extend_from_slice(&flags.to_ne_bytes());
        message.extend_from_slice(&[0; 8]);
        message.extend_from_slice(body);
        send(self.0.as_raw_fd(), &message, MsgFlags::empty())?;
        let mut answers = Vec::new();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let length = match recv(self.0.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                Err(Errno::EINTR) => continue,
                length => length?,
            };
            let mut rest = buffer.get(..length).unwrap_or_default();
            while let Some((kind, body, after)) = split(rest) {
                match kind {
                    ERROR => {
                        let code =
                            body.get(..4).and_then(|code| code.try_into().ok()).map(i32::from_ne_bytes);
                        return match code.unwrap_or(-libc::EPROTO) {
                            0 => Ok(answers),
                            code => Err(Errno::from_raw(-code)),
                        };
                    }
                    DONE => return Ok(answers),
                    _ => answers.push(body.to_vec()),
                }
                rest = after;
            }
        }
    }
}

/// The first message of a datagram: its type, its body, and what follows.
fn split(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = u32::from_ne_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
    let kind = u16::from_ne_bytes(bytes.get(4..6)?.try_into().ok()?);
    let body = bytes.get(HEADER..length)?;
    Some((kind, body, bytes.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

/// `struct ifinfomsg`, with flags to set.
fn link(index: i32, flags: u32) -> Vec<u8> {
    let mut body = vec![0; LINK];
    for (at, bytes) in [(4, index.to_ne_bytes()), (8, flags.to_ne_bytes()), (12, flags.to_ne_bytes())] {
        if let Some(field) = body.get_mut(at..at + 4) {
            field.copy_from_slice(&bytes);
        }
    }
    body
}

fn attribute(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    body.extend_from_slice(&((4 + value.len()) as u16).to_ne_bytes());
    body.extend_from_slice(&kind.to_ne_bytes());
    body.extend_from_slice(value);
    body.resize(body.len().next_multiple_of(4), 0);
}

/// The description of an address without one of its attributes.
fn without(body: &[u8], unwanted: u16) -> Vec<u8> {
    let (head, mut rest) = body.split_at_checked(ADDRESS).unwrap_or((body, &[]));
    let mut kept = head.to_vec();
    while let [a, b, c, d, ..] = *rest {
        let (length, kind) = (u16::from_ne_bytes([a, b]) as usize, u16::from_ne_bytes([c, d]));
        let Some(value) = rest.get(4..length) else { break };
        if kind != unwanted {
            attribute(&mut kept, kind, value);
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    kept
}

fn c_name(name: &str) -> Vec<u8> {
    [name.as_bytes(), &[0]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_padded_to_words() {
        let mut body = Vec::new();
        attribute(&mut body, 3, b"lo\0");
        assert_eq!(body, [7, 0, 3, 0, b'l', b'o', 0, 0]);
    }

    #[test]
    fn unwanted_attribute_is_left_out() {
        let mut body = vec![0; ADDRESS];
        attribute(&mut body, 1, &[1, 2, 3, 4]);
        let without_it = body.clone();
        attribute(&mut body, 6, &[0; 16]);
        assert_eq!(without(&body, 6), without_it);
    }

    #[test]
    fn loopback_is_found_by_its_name() {
        let socket = Socket::open().unwrap();
        assert_eq!(socket.index_of("lo"), Ok(1));
        assert_eq!(socket.index_of("nosuchdevice"), Err(Errno::ENODEV));
    }

    #[test]
    fn half_a_message_is_none() {
        assert!(split(&[20, 0, 0, 0, 2, 0]).is_none());
        assert!(split(&[]).is_none());
    }
}
