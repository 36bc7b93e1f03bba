//! sd_notify(3) for a container: a socket of its own, whose READY=1 is passed on to the service manager.

use crate::errno::io_words;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

/// Why there is no notify socket.
#[derive(Debug, thiserror::Error)]
#[error("notify socket {}: {}", path.display(), io_words(reason))]
pub struct Error {
    path: PathBuf,
    reason: io::Error,
}

/// The container's side of NOTIFY_SOCKET, and the host's.
pub struct NotifySocket {
    socket: UnixDatagram,
    host: PathBuf,
    dir: PathBuf,
}

impl NotifySocket {
    /// Binds `notify/notify.sock` in the container's state directory, if the caller has a NOTIFY_SOCKET.
    pub fn bind(state_dir: &Path) -> Result<Option<Self>, Error> {
        let Some(host) = std::env::var_os("NOTIFY_SOCKET").filter(|value| !value.is_empty()) else {
            return Ok(None);
        };
        let dir = state_dir.join("notify");
        let path = dir.join("notify.sock");
        let failed = |reason| Error { path: path.clone(), reason };
        std::fs::create_dir(&dir).map_err(failed)?;
        let socket = UnixDatagram::bind(&path).map_err(failed)?;
        // The container's user, whoever it is, has to be able to send.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(&path, open).map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        Ok(Some(Self { socket, host: host.into(), dir }))
    }

    /// The directory that is bound to /run/notify.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// To wait for.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Takes what the container sent and passes READY=1 on, with the container's pid as MAINPID; whether it was READY.
    pub fn forward(&self, pid: i32) -> bool {
        let mut message = [0; 4096];
        let Ok(length) = self.socket.recv(&mut message) else { return false };
        let text = message.get(..length).unwrap_or_default();
        let ready = text.split(|byte| *byte == b'\n').any(|line| line == b"READY=1");
        if ready {
            self.send(&format!("READY=1\nMAINPID={pid}\n"));
        }
        ready
    }

    fn send(&self, text: &str) {
        let Ok(socket) = UnixDatagram::unbound() else { return };
        let sent = match self.host.as_os_str().as_bytes().strip_prefix(b"@") {
            Some(name) => {
                use std::os::linux::net::SocketAddrExt;
                std::os::unix::net::SocketAddr::from_abstract_name(name)
                    .and_then(|address| socket.send_to_addr(text.as_bytes(), &address))
            }
            None => socket.send_to(text.as_bytes(), &self.host),
        };
        if let Err(error) = sent {
            log::warn!("NOTIFY_SOCKET {}: {}", self.host.display(), io_words(&error));
        }
    }
}
