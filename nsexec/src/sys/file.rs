//! Files and descriptors.

use super::{AsFd, BorrowedFd, OwnedFd, RawFd, Result, call};
use core::ffi::CStr;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, StatxAttributes, StatxFlags};

/// `O_*` flags of open(2).
pub use rustix::fs::OFlags as Open;
/// `RESOLVE_*` flags of openat2(2).
pub use rustix::fs::ResolveFlags as Resolve;
/// `struct statx`.
pub use rustix::fs::Statx;

/// `PROC_SUPER_MAGIC` (statfs(2)).
pub const PROC_SUPER_MAGIC: u64 = 0x9fa0;
/// `DEVPTS_SUPER_MAGIC` (statfs(2)).
pub const DEVPTS_SUPER_MAGIC: u64 = 0x1cd1;
/// `SYSFS_MAGIC` (statfs(2)).
pub const SYSFS_MAGIC: u64 = 0x6265_6572;

/// An fd that the stream, or nsexec's own command line, names by its number: the only place where a number becomes
/// a descriptor. It stays open until `close_range`; a number that is not open gives EBADF where it is used.
pub fn named(number: u32) -> Result<BorrowedFd<'static>> {
    let raw = RawFd::try_from(number).map_err(|_| super::Errno::BADF)?;
    // SAFETY: `raw` is not -1, and whoever wrote the stream opened it for this process and left it to it; nothing
    // else in this program owns a descriptor of such a number, so nothing closes it behind the borrower.
    Ok(unsafe { BorrowedFd::borrow_raw(raw) })
}

/// The number of a descriptor, for its name in procfs.
pub fn number(fd: impl AsFd) -> u32 {
    use rustix::fd::AsRawFd;
    // A descriptor that is open is not negative.
    u32::try_from(fd.as_fd().as_raw_fd()).unwrap_or(u32::MAX)
}

/// As `named`, but closed when dropped.
pub fn take(number: u32) -> Result<OwnedFd> {
    use rustix::fd::FromRawFd;
    let raw = RawFd::try_from(number).map_err(|_| super::Errno::BADF)?;
    // SAFETY: as in `named`; the caller is the one that ends this descriptor's life.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

/// `int openat(int dirfd, const char *path, int flags, mode_t mode)`: openat(2). Always close-on-exec.
pub fn openat(dir: impl AsFd, path: &CStr, flags: OFlags, mode: u32) -> Result<OwnedFd> {
    rustix::fs::openat(dir, path, flags | OFlags::CLOEXEC, Mode::from_bits_retain(mode))
}

/// `long openat2(int dirfd, const char *path, const struct open_how *how, size_t size)`: openat2(2). Always
/// close-on-exec.
pub fn openat2(dir: impl AsFd, path: &CStr, flags: OFlags, resolve: ResolveFlags) -> Result<OwnedFd> {
    rustix::fs::openat2(dir, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve)
}

/// `ssize_t read(int fd, void *buf, size_t count)`: read(2).
pub fn read(fd: impl AsFd, buffer: &mut [u8]) -> Result<usize> {
    rustix::io::read(fd, buffer)
}

/// `ssize_t write(int fd, const void *buf, size_t count)`: write(2).
pub fn write(fd: impl AsFd, bytes: &[u8]) -> Result<usize> {
    rustix::io::write(fd, bytes)
}

/// `int pipe2(int pipefd[2], int flags)`: pipe(2), close-on-exec; the end that is written to does not block.
/// Returns the end to read and the end to write.
pub fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    rustix::fs::fcntl_setfl(&writer, OFlags::NONBLOCK)?;
    Ok((reader, writer))
}

/// `int dup3(int oldfd, int newfd, int flags)`: dup(2), onto 0, 1 or 2 of this process; not close-on-exec.
pub fn dup_onto(fd: impl AsFd, number: u32) -> Result<()> {
    use rustix::fd::AsRawFd;
    // SAFETY: a duplicate of an open fd; the standard streams, which it replaces, have no owner in this program.
    unsafe { call!(dup3, fd.as_fd().as_raw_fd(), number, 0) }.map(drop)
}

/// `int dup3(int oldfd, int newfd, O_CLOEXEC)`: dup(2). Gives a descriptor the number that the stream names it by.
pub fn place(fd: OwnedFd, number: u32) -> Result<()> {
    use rustix::fd::{AsRawFd, IntoRawFd};
    if u32::try_from(fd.as_raw_fd()) == Ok(number) {
        // It stays open until `close_range`, see `named`.
        let _ = fd.into_raw_fd();
        return Ok(());
    }
    // SAFETY: a duplicate of an open fd, under a number that nothing of this program owns.
    unsafe { call!(dup3, fd.as_raw_fd(), number, OFlags::CLOEXEC.bits()) }.map(drop)
}

/// `int close_range(unsigned int first, unsigned int last, unsigned int flags)`: close_range(2), to the last one.
pub fn close_from(first: u32) -> Result<()> {
    // SAFETY: ends descriptors that values of this program may still own. The callers exec or exit next, so none of
    // them is used again.
    unsafe { call!(close_range, first, u32::MAX, 0u32) }.map(drop)
}

/// `int statx(int dirfd, const char *path, int flags, unsigned int mask, struct statx *)`: statx(2) of the fd.
pub fn stat(fd: impl AsFd) -> Result<Statx> {
    let flags = AtFlags::EMPTY_PATH | AtFlags::NO_AUTOMOUNT;
    rustix::fs::statx(fd, c"", flags, StatxFlags::BASIC_STATS | StatxFlags::MNT_ID)
}

/// The type of a file.
pub fn file_type(stat: &Statx) -> FileType {
    FileType::from_raw_mode(u32::from(stat.stx_mode))
}

/// Whether a file is a directory.
pub fn is_directory(stat: &Statx) -> bool {
    file_type(stat) == FileType::Directory
}

/// Whether a file is a regular one.
pub fn is_regular(stat: &Statx) -> bool {
    file_type(stat) == FileType::RegularFile
}

/// Whether a file is a symbolic link.
pub fn is_symlink(stat: &Statx) -> bool {
    file_type(stat) == FileType::Symlink
}

/// Whether a file is the character device `major:minor`.
pub fn is_character_device(stat: &Statx, major: u32, minor: u32) -> bool {
    file_type(stat) == FileType::CharacterDevice
        && (stat.stx_rdev_major, stat.stx_rdev_minor) == (major, minor)
}

/// Whether two descriptors are of the same file in the same mount (STATX_MNT_ID).
pub fn is_same(one: &Statx, other: &Statx) -> bool {
    let place = |stat: &Statx| (stat.stx_mnt_id, stat.stx_dev_major, stat.stx_dev_minor, stat.stx_ino);
    place(one) == place(other)
}

/// Whether an fd is the root of a mount (STATX_ATTR_MOUNT_ROOT).
pub fn is_mount_root(stat: &Statx) -> bool {
    stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)
}

/// `int fstatfs(int fd, struct statfs *buf)`: the file system's magic number, statfs(2).
pub fn magic(fd: impl AsFd) -> Result<u64> {
    rustix::fs::fstatfs(fd).map(|stat| stat.f_type as u64)
}

/// `int mkdirat(int dirfd, const char *path, mode_t mode)`: mkdir(2).
pub fn mkdirat(dir: impl AsFd, name: &CStr, mode: u32) -> Result<()> {
    rustix::fs::mkdirat(dir, name, Mode::from_bits_retain(mode))
}

/// `int mknodat(int dirfd, const char *path, mode_t mode, dev_t dev)`: mknod(2). `mode` is an `st_mode`.
pub fn mknodat(dir: impl AsFd, name: &CStr, mode: u32, major: u32, minor: u32) -> Result<()> {
    let (kind, permissions) = (FileType::from_raw_mode(mode), Mode::from_raw_mode(mode));
    rustix::fs::mknodat(dir, name, kind, permissions, rustix::fs::makedev(major, minor))
}

/// The file type that an `st_mode` holds.
pub fn type_of_mode(mode: u32) -> FileType {
    FileType::from_raw_mode(mode)
}

/// `int symlinkat(const char *target, int dirfd, const char *path)`: symlink(2).
pub fn symlinkat(target: &CStr, dir: impl AsFd, name: &CStr) -> Result<()> {
    rustix::fs::symlinkat(target, dir, name)
}

/// `int unlinkat(int dirfd, const char *path, int flags)`: unlink(2), or with AT_REMOVEDIR rmdir(2).
pub fn unlinkat(dir: impl AsFd, name: &CStr, directory: bool) -> Result<()> {
    let flags = if directory { AtFlags::REMOVEDIR } else { AtFlags::empty() };
    rustix::fs::unlinkat(dir, name, flags)
}

/// `ssize_t readlinkat(int dirfd, const char *path, char *buf, size_t size)`: readlink(2). Returns how many bytes of
/// the buffer it filled.
pub fn readlinkat(dir: impl AsFd, name: &CStr, buffer: &mut [u8]) -> Result<usize> {
    rustix::fs::readlinkat_raw(dir, name, buffer)
}

/// `ssize_t getdents64(int fd, void *buf, size_t size)`: getdents(2). Calls `visit` with each name but "." and "..",
/// until one of them fails.
pub fn each_entry(dir: impl AsFd, mut visit: impl FnMut(&CStr) -> Result<()>) -> Result<()> {
    let mut buffer = [const { core::mem::MaybeUninit::uninit() }; 2048];
    let mut entries = rustix::fs::RawDir::new(dir, &mut buffer);
    while let Some(entry) = entries.next() {
        match entry?.file_name() {
            name if name == c"." || name == c".." => {}
            name => visit(name)?,
        }
    }
    Ok(())
}

/// `off_t lseek(int fd, off_t offset, SEEK_DATA)` and SEEK_HOLE: the next part of a file that is not a hole, as its
/// begin and end. ENXIO: there is none.
pub fn next_data(file: impl AsFd, from: u64) -> Result<(u64, u64)> {
    use rustix::fs::SeekFrom;
    let begin = rustix::fs::seek(&file, SeekFrom::Data(from))?;
    Ok((begin, rustix::fs::seek(&file, SeekFrom::Hole(begin))?))
}

/// `off_t lseek(int fd, off_t offset, SEEK_SET)`: lseek(2).
pub fn seek(file: impl AsFd, position: u64) -> Result<()> {
    rustix::fs::seek(file, rustix::fs::SeekFrom::Start(position)).map(drop)
}

/// `ssize_t sendfile(int out, int in, off_t *offset, size_t count)`: sendfile(2). Moves `offset` on.
pub fn sendfile(to: impl AsFd, from: impl AsFd, offset: &mut u64, count: u64) -> Result<usize> {
    rustix::fs::sendfile(to, from, Some(offset), usize::try_from(count).unwrap_or(usize::MAX))
}

/// `int ftruncate(int fd, off_t length)`: truncate(2).
pub fn ftruncate(file: impl AsFd, len: u64) -> Result<()> {
    rustix::fs::ftruncate(file, len)
}

/// `int fchmod(int fd, mode_t mode)`: chmod(2).
pub fn fchmod(file: impl AsFd, mode: u32) -> Result<()> {
    rustix::fs::fchmod(file, Mode::from_raw_mode(mode))
}

/// `int fchmodat(int dirfd, const char *path, mode_t mode, 0)`: chmod(2).
pub fn chmodat(dir: impl AsFd, name: &CStr, mode: u32) -> Result<()> {
    rustix::fs::chmodat(dir, name, Mode::from_raw_mode(mode), AtFlags::empty())
}

/// `int futimens(int fd, const struct timespec times[2])`: the times of another file, utimensat(2).
pub fn set_times(file: impl AsFd, of: &Statx) -> Result<()> {
    use rustix::fs::{StatxTimestamp, Timespec, Timestamps};
    let time = |time: &StatxTimestamp| Timespec { tv_sec: time.tv_sec, tv_nsec: i64::from(time.tv_nsec) };
    let times = Timestamps { last_access: time(&of.stx_atime), last_modification: time(&of.stx_mtime) };
    rustix::fs::futimens(file, &times)
}

/// `int fsetxattr(int fd, const char *name, const void *value, size_t size, int flags)`.
pub fn fsetxattr(fd: impl AsFd, name: &CStr, value: &[u8]) -> Result<()> {
    rustix::fs::fsetxattr(fd, name, value, rustix::fs::XattrFlags::empty())
}

/// `int fchownat(int dirfd, const char *path, uid_t owner, gid_t group, int flags)`: chown(2) of the fd itself, also
/// of an O_PATH one. `u32::MAX` leaves one of them.
pub fn chown(fd: impl AsFd, uid: u32, gid: u32) -> Result<()> {
    use rustix::fs::{Gid, Uid};
    let uid = (uid != u32::MAX).then(|| Uid::from_raw(uid));
    let gid = (gid != u32::MAX).then(|| Gid::from_raw(gid));
    rustix::fs::chownat(fd, c"", uid, gid, AtFlags::EMPTY_PATH)
}

/// `int faccessat2(int dirfd, const char *path, int mode, int flags)`: access(2), X_OK with the effective ids.
/// `path` may be empty: then the fd itself.
pub fn may_execute(dir: impl AsFd, path: &CStr) -> Result<()> {
    use rustix::fd::AsRawFd;
    const X_OK: u32 = 1;
    let flags = AtFlags::EACCESS | AtFlags::EMPTY_PATH;
    // SAFETY: an open fd and a NUL-terminated string, both alive over the call, which writes nothing.
    unsafe { call!(faccessat2, dir.as_fd().as_raw_fd(), path.as_ptr(), X_OK, flags.bits()) }.map(drop)
}

/// `int chdir(const char *path)`: chdir(2).
pub fn chdir(path: &CStr) -> Result<()> {
    rustix::process::chdir(path)
}

/// `int fchdir(int fd)`: chdir(2).
pub fn fchdir(fd: impl AsFd) -> Result<()> {
    rustix::process::fchdir(fd)
}

/// `int chroot(const char *path)`: chroot(2).
pub fn chroot(path: &CStr) -> Result<()> {
    rustix::process::chroot(path)
}

/// `long getcwd(char *buf, unsigned long size)`: getcwd(2). Returns how many bytes of the buffer it filled, with the
/// NUL.
pub fn getcwd(buffer: &mut [u8]) -> Result<usize> {
    // SAFETY: the kernel writes at most `len` bytes to the buffer.
    unsafe { call!(getcwd, buffer.as_mut_ptr(), buffer.len()) }
}
