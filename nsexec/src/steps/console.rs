//! The container's terminal: a pair from its own devpts, handed over by descriptor (CVE-2025-52565).

use super::Container;
use crate::fault::{During, Fault, Result};
use crate::inside::{self, Symlinks};
use crate::sys::file::{self, Open};
use crate::sys::mount::OpenTree;
use crate::sys::mount::{move_mount, open_tree_clone};
use crate::sys::{self, AsFd, BorrowedFd, Errno, OwnedFd, terminal};
use crate::text::Text;
use core::ffi::CStr;
use skeg_proto::sync::ToRuntime;
use skeg_proto::{NO_FD, Op};

/// Device number of /dev/ptmx (pts(4)).
const PTMX: (u32, u32) = (5, 2);

/// The terminal's size; 0: leave.
pub struct Size {
    /// Rows.
    pub rows: u32,
    /// Columns.
    pub columns: u32,
}

/// Makes a terminal, hands its master out and makes the other end this process's controlling terminal and its
/// standard streams.
pub fn console(container: &mut Container<'_>, socket: u32, size: Size, mount: bool) -> Result<()> {
    let master = open_master(container)?;
    terminal::unlock(&master).during(Op::Terminal)?;
    let peer = terminal::peer(&master).during(Op::Terminal)?;
    if size.rows != 0 && size.columns != 0 {
        // A terminal's size has 16 bits.
        let [rows, columns] = [size.rows, size.columns].map(|n| u16::try_from(n).unwrap_or(u16::MAX));
        terminal::set_size(&master, rows, columns).during(Op::Terminal)?;
    }
    if mount {
        bind(container, &peer)?;
    }
    hand_over(container, socket, &master)?;
    drop(master);
    terminal::set_controlling(&peer).during(Op::Terminal)?;
    for stream in [0, 1, 2] {
        file::dup_onto(&peer, stream).during(Op::Terminal)?;
    }
    Ok(())
}

/// Opens the master of a new pair. The devpts is the one that this process mounted, or what is mounted at /dev/pts,
/// checked to be one.
fn open_master(container: &mut Container<'_>) -> Result<OwnedFd> {
    let at_path;
    let devpts = match &container.devpts {
        Some(devpts) => devpts.as_fd(),
        None => {
            let flags = Open::PATH | Open::DIRECTORY;
            at_path =
                inside::open(container.root()?, c"dev/pts", flags, Symlinks::Refuse).during(Op::Open)?;
            if file::magic(&at_path).during(Op::Statx)? != file::DEVPTS_SUPER_MAGIC {
                return Err(Fault::new(Op::Verify, Errno::NODEV));
            }
            at_path.as_fd()
        }
    };
    let flags = Open::RDWR | Open::NOCTTY | Open::NOFOLLOW;
    let master = file::openat(devpts, c"ptmx", flags, 0).during(Op::Open)?;
    match file::is_character_device(&file::stat(&master).during(Op::Statx)?, PTMX.0, PTMX.1) {
        true => Ok(master),
        false => Err(Fault::new(Op::Verify, Errno::NODEV)),
    }
}

/// Binds the terminal on /dev/console. A symlink there is not followed.
fn bind(container: &mut Container<'_>, peer: &OwnedFd) -> Result<()> {
    let flags = Open::PATH | Open::DIRECTORY;
    let dev = inside::open(container.root()?, c"dev", flags, Symlinks::Follow).during(Op::OpenTarget)?;
    let target = console_file(&dev)?;
    let tree = open_tree_clone(peer, c"", OpenTree::empty()).during(Op::OpenSource)?;
    move_mount(&tree, &target).during(Op::MoveMount)
}

fn console_file(dev: &OwnedFd) -> Result<OwnedFd> {
    const NAME: &CStr = c"console";
    let create = Open::CREATE | Open::EXCL | Open::NOFOLLOW | Open::WRONLY;
    match file::openat(dev, NAME, create, 0o644) {
        Err(Errno::EXIST) => {}
        done => return done.during(Op::CreateTarget),
    }
    let target = file::openat(dev, NAME, Open::PATH | Open::NOFOLLOW, 0).during(Op::OpenTarget)?;
    match file::is_symlink(&file::stat(&target).during(Op::Statx)?) {
        false => Ok(target),
        true => Err(Fault::new(Op::OpenTarget, Errno::LOOP)),
    }
}

/// Sends the master: to the console socket with the terminal's name, as runc does, or to the runtime.
fn hand_over(container: &Container<'_>, socket: u32, master: &OwnedFd) -> Result<()> {
    if socket == NO_FD {
        return container.sync.send_fd(&ToRuntime::Console, master.as_fd());
    }
    let name = name(master.as_fd()).during(Op::Terminal)?;
    let socket = file::take(socket).during(Op::Send)?;
    sys::socket::send_fd(&socket, name.as_bytes(), master.as_fd()).during(Op::Send).map(drop)
}

fn name(master: BorrowedFd<'_>) -> sys::Result<Text<32>> {
    let mut name = Text::of(b"/dev/pts/")?;
    name.push_decimal(terminal::number(master)?)?;
    Ok(name)
}
