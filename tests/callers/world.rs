//! The namespaces a test of a caller lives in, and the daemon it starts there.

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use skeg_tests::process::LIMIT;
use skeg_tests::{Invocation, Running, leftovers, sys};

/// Private namespaces of the calling thread, which its children are in too, and a directory.
pub struct World {
    /// In the names of the directory and of all cgroups.
    pub id: String,
    directory: PathBuf,
}

impl World {
    /// Enters a new world; it ends with the thread.
    pub fn enter() -> Self {
        sys::become_subreaper();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").subsec_nanos();
        let id = format!("skegtest-{}-{now:x}", std::process::id());
        let directory = Path::new("/tmp").join(&id);
        fs::create_dir(&directory).expect("a directory in /tmp");
        let world = Self { id, directory };
        unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET).expect("unshare");
        remount(None, "/", None, MsFlags::MS_REC | MsFlags::MS_PRIVATE, "");
        world.renew_sysfs();
        remount(Some("tmpfs"), "/run", Some("tmpfs"), MsFlags::empty(), "mode=755");
        world.cover("/etc");
        world.cover("/var/lib");
        Invocation::new("ip").args(["link", "set", "lo", "up"]).finish().ok();
        world
    }

    /// A path in the world's directory.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The same as text.
    pub fn path(&self, name: &str) -> String {
        self.file(name).display().to_string()
    }

    /// sysfs shows the network namespace it was mounted in.
    fn renew_sysfs(&self) {
        let keep = self.path("cgroup");
        fs::create_dir(&keep).expect("mkdir");
        let bind = MsFlags::MS_BIND | MsFlags::MS_REC;
        remount(Some("/sys/fs/cgroup"), &keep, None, bind, "");
        remount(Some("sysfs"), "/sys", Some("sysfs"), MsFlags::empty(), "");
        remount(Some(&keep), "/sys/fs/cgroup", None, bind, "");
        umount2(keep.as_str(), MntFlags::MNT_DETACH).expect("umount");
    }

    /// Makes a directory of the host copy-on-write.
    fn cover(&self, path: &str) {
        let name = path.replace('/', "-");
        let (upper, work) = (self.path(&format!("upper{name}")), self.path(&format!("work{name}")));
        fs::create_dir(&upper).and_then(|()| fs::create_dir(&work)).expect("mkdir");
        let data = format!("lowerdir={path},upperdir={upper},workdir={work}");
        remount(Some("overlay"), path, Some("overlay"), MsFlags::empty(), &data);
    }

    /// Starts a daemon that tells systemd when it is ready, and waits until it does.
    pub fn daemon(&self, program: &str, args: &[&str]) -> Daemon {
        let path = self.file("notify.sock");
        let socket = UnixDatagram::bind(&path).expect("bind");
        // A pid namespace of its own: whatever the daemon starts ends with it.
        let words = ["--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc", "--", program];
        let running = Invocation::new("unshare").args(words).args(args).env("NOTIFY_SOCKET", &path).spawn();
        let daemon = Daemon(running);
        let mut message = [0; 4096];
        loop {
            let ready = sys::readable(socket.as_fd(), Instant::now() + LIMIT).expect("poll");
            assert!(ready, "{program} is not ready:\n{}", daemon.0.errors());
            let length = socket.recv(&mut message).expect("recv");
            if String::from_utf8_lossy(&message[..length]).contains("READY=1") {
                return daemon;
            }
        }
    }

    /// Demands that no process and no cgroup below the one given to the daemon is left.
    #[track_caller]
    pub fn no_containers(&self) {
        let mut left = leftovers::cgroups_below(&self.id);
        left.extend(leftovers::processes_in(&self.id));
        assert!(left.is_empty(), "left behind:\n{}", left.join("\n"));
    }
}

impl World {
    /// The thread ends soon, and its mounts with it; but the directory goes now, so nothing may be mounted there.
    fn unmount_all(&self) {
        let table = fs::read_to_string("/proc/thread-self/mountinfo").expect("/proc");
        let targets = table.lines().filter_map(|line| line.split(' ').nth(4));
        let ours = targets.filter(|target| Path::new(target).starts_with(&self.directory));
        let covered = ours.chain(["/var/lib", "/etc"]);
        for target in covered.collect::<Vec<_>>().into_iter().rev() {
            // A mount below one that is already gone is gone too.
            let _ = umount2(target, MntFlags::MNT_DETACH);
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            leftovers::wait_for_all_children();
        }
        leftovers::remove_cgroups(&self.id);
        self.unmount_all();
        let removed = fs::remove_dir_all(&self.directory);
        if !std::thread::panicking() {
            removed.expect("the world's directory can be removed");
            let left = leftovers::cgroups(&self.id);
            assert!(left.is_empty(), "left behind:\n{}", left.join("\n"));
        }
    }
}

/// A daemon. Dropping it asks it to end, and waits.
pub struct Daemon(Running);

impl Drop for Daemon {
    fn drop(&mut self) {
        let children = format!("/proc/{0}/task/{0}/children", self.0.pid());
        let pid =
            fs::read_to_string(children).ok().and_then(|text| text.split_whitespace().next()?.parse().ok());
        if let Some(pid) = pid {
            // It may have ended by itself, which the test will have noticed.
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        self.0.wait();
        if std::thread::panicking() {
            let log = self.0.errors();
            let complaints: Vec<&str> = log.lines().filter(|line| !line.contains("level=info")).collect();
            eprintln!(
                "--- the daemon's log, without what is only information ---\n{}",
                complaints.join("\n")
            );
        }
    }
}

fn remount(source: Option<&str>, target: &str, kind: Option<&str>, flags: MsFlags, data: &str) {
    mount(source, target, kind, flags, Some(data)).unwrap_or_else(|error| panic!("mount {target}: {error}"));
}
