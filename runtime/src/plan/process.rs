//! The process: limits, identity, environment, program. The order within `become_the_process` is the security model.

use super::namespaces::Creation;
use super::text::{c_string, c_strings};
use super::{Builder, Error, Options, capabilities};
use crate::config::sysctl_path;
use crate::facts::Facts;
use crate::namespaces::NamespaceType;
use crate::seccomp::Filter;
use oci_spec::runtime::{Capabilities, LinuxCapabilities, PosixRlimit, PosixRlimitType, Process, Spec};
use skeg_proto::step::StepBuf;
use std::path::Path;

impl Builder {
    pub(super) fn host_limits(&mut self, spec: &Spec, creation: &Creation) -> Result<(), Error> {
        if creation.is_own(NamespaceType::User) {
            self.raise_limits(process(spec)?);
        }
        Ok(())
    }

    /// A process may not raise a hard limit once it is in a user namespace of its own.
    pub(super) fn raise_limits(&mut self, process: &Process) {
        for (index, limit) in rlimits(process).enumerate() {
            let step = StepBuf::RaiseLimit { resource: resource(limit.typ()), hard: limit.hard() };
            self.push(step, limit_origin(index, limit));
        }
    }

    /// A session keyring of its own, so that the host's keys can't be found (keyrings(7)).
    pub(super) fn keyring(
        &mut self,
        spec: &Spec,
        options: &Options,
        creation: &Creation,
    ) -> Result<(), Error> {
        if options.no_new_keyring {
            return Ok(());
        }
        // As runc: possessor and owner may search, in a user namespace also others.
        let permissions = if creation.is_own(NamespaceType::User) { 0x8 } else { 0x80000 };
        // The exec forgets it.
        if let Some(label) = named(process(spec)?.selinux_label()) {
            let value = c_string(label, "process.selinuxLabel")?;
            self.push(StepBuf::Label { path: c"keycreate".to_owned(), value }, "process.selinuxLabel");
        }
        let name = c_string(format!("_ses.{}", options.id), "session keyring")?;
        self.push(StepBuf::Keyring { name, permissions }, "session keyring");
        Ok(())
    }

    /// The working directory is made when the image lacks it.
    pub(super) fn working_directory(&mut self, spec: &Spec) -> Result<(), Error> {
        let cwd = process(spec)?.cwd();
        if cwd != Path::new("/") {
            let path = c_string(cwd, "process.cwd")?;
            self.push(StepBuf::Directory { path, mode: 0o755 }, cwd_origin(cwd));
        }
        Ok(())
    }

    /// `hostname` and `domainname`.
    pub(super) fn names(&mut self, spec: &Spec) -> Result<(), Error> {
        if let Some(name) = spec.hostname().as_ref().filter(|n| !n.is_empty()) {
            self.push(StepBuf::Hostname { name: c_string(name, "hostname")? }, "hostname");
        }
        if let Some(name) = spec.domainname().as_ref().filter(|n| !n.is_empty()) {
            self.push(StepBuf::Domainname { name: c_string(name, "domainname")? }, "domainname");
        }
        Ok(())
    }

    /// `linux.sysctl`, sorted: a plan is compared and printed.
    pub(super) fn sysctls(&mut self, spec: &Spec) -> Result<(), Error> {
        let Some(sysctls) = spec.linux().as_ref().and_then(|l| l.sysctl().as_ref()) else { return Ok(()) };
        let mut sysctls: Vec<_> = sysctls.iter().collect();
        sysctls.sort();
        for (key, value) in sysctls {
            let origin = format!("linux.sysctl[{key:?}]");
            let path = c_string(sysctl_path(key).as_deref().unwrap_or(key), &origin)?;
            self.push(StepBuf::Sysctl { path, value: c_string(value, &origin)? }, origin);
        }
        Ok(())
    }

    /// `process.user.umask`, or runc's default.
    pub(super) fn umask(&mut self, spec: &Spec) {
        let mask = spec.process().as_ref().and_then(|p| p.user().umask()).unwrap_or(0o022);
        self.push(StepBuf::Umask { mask }, "process.user.umask");
    }

    /// argv and the environment.
    pub(super) fn environment(&mut self, spec: &Spec, options: &Options) -> Result<(), Error> {
        let process = process(spec)?;
        let mut env = process.env().clone().unwrap_or_default();
        if options.listen_fds > 0 {
            env.push(format!("LISTEN_FDS={}", options.listen_fds));
            env.push("LISTEN_PID=1".to_owned());
        }
        if options.notify_dir.is_some() {
            env.push("NOTIFY_SOCKET=/run/notify/notify.sock".to_owned());
        }
        self.process_environment(process, env)
    }

    /// What skeg adds comes last, and so wins over what the configuration says of it.
    pub(super) fn process_environment(&mut self, process: &Process, env: Vec<String>) -> Result<(), Error> {
        let env = last_of_each(env);
        let args = process.args().as_deref().unwrap_or_default();
        self.push(StepBuf::Argv { args: c_strings(args, "process.args")?, flags: 0 }, "process.args");
        let has_home = env.iter().any(|e| e.strip_prefix("HOME=").is_some_and(|home| !home.is_empty()));
        self.push(StepBuf::Env { vars: c_strings(&env, "process.env")?, flags: 0 }, "process.env");
        if !has_home {
            self.push(StepBuf::Home { uid: process.user().uid() }, "process.env (HOME)");
        }
        Ok(())
    }

    /// A missing program is an error of `create`, not of `start`.
    pub(super) fn program(&mut self, spec: &Spec) -> Result<(), Error> {
        self.process_program(process(spec)?)
    }

    pub(super) fn process_program(&mut self, process: &Process) -> Result<(), Error> {
        let paths = c_strings(candidates(process), "process.args[0]")?;
        let user = process.user();
        let gids = user.additional_gids().clone().unwrap_or_default();
        self.push(StepBuf::Candidates { paths, flags: 0 }, "process.args[0]");
        self.push(StepBuf::Groups { gids, flags: 0 }, "process.user.additionalGids");
        // By its own name, which a script sees as `$0`; from the root directory it is the same.
        let name = program_name(process).filter(|name| name.contains('/')).unwrap_or_default();
        let effective = process.capabilities().as_ref().and_then(|sets| sets.effective().as_ref());
        let step = StepBuf::Program {
            uid: user.uid(),
            gid: user.gid(),
            effective: effective.map_or(0, capabilities::mask),
            name: c_string(name, "process.args[0]")?,
        };
        self.push(step, "process.args[0]");
        Ok(())
    }

    /// From the container's root to the container's process.
    pub(super) fn become_the_process(
        &mut self,
        spec: &Spec,
        facts: &Facts,
        filter: Option<&Filter>,
        creation: &Creation,
    ) -> Result<(), Error> {
        let process = process(spec)?;
        let own_userns = creation.is_own(NamespaceType::User);
        // In a user namespace of its own the process has every capability; elsewhere only what we have.
        let grantable = if own_userns { u64::MAX } else { facts.permitted };
        self.confine(process, filter, grantable, creation.groups_allowed(spec, facts))
    }

    /// The same for `exec`.
    pub(super) fn confine(
        &mut self,
        process: &Process,
        filter: Option<&Filter>,
        grantable: u64,
        groups_allowed: bool,
    ) -> Result<(), Error> {
        for (index, limit) in rlimits(process).enumerate() {
            let (resource, soft, hard) = (resource(limit.typ()), limit.soft(), limit.hard());
            self.push(StepBuf::Limit { resource, soft, hard }, limit_origin(index, limit));
        }
        self.labels(process)?;
        let cwd = process.cwd();
        self.push(StepBuf::Workdir { path: c_string(cwd, "process.cwd")? }, cwd_origin(cwd));
        let uid = process.user().uid();
        self.push(StepBuf::ChownStdio { uid }, "process.user.uid");
        if process.no_new_privileges().unwrap_or(false) {
            // Then a filter may be loaded without CAP_SYS_ADMIN: as late as possible, it sees fewest of our calls.
            self.credentials(process, grantable, groups_allowed);
            self.push(StepBuf::NoNewPrivs {}, "process.noNewPrivileges");
            self.seccomp(filter);
        } else {
            // Without it, loading a filter takes CAP_SYS_ADMIN, which the credentials take away.
            self.seccomp(filter);
            self.credentials(process, grantable, groups_allowed);
        }
        Ok(())
    }

    /// What the security modules change at the exec (proc_pid_attr(5)).
    fn labels(&mut self, process: &Process) -> Result<(), Error> {
        if let Some(profile) = named(process.apparmor_profile()) {
            let value = c_string(format!("exec {profile}"), "process.apparmorProfile")?;
            let path = c"apparmor/exec".to_owned();
            self.push(StepBuf::Label { path, value }, "process.apparmorProfile");
        }
        if let Some(label) = named(process.selinux_label()) {
            let value = c_string(label, "process.selinuxLabel")?;
            self.push(StepBuf::Label { path: c"exec".to_owned(), value }, "process.selinuxLabel");
        }
        Ok(())
    }

    fn seccomp(&mut self, filter: Option<&Filter>) {
        if let Some(filter) = filter {
            // SECCOMP_FILTER_FLAG_* are six low bits.
            let step = StepBuf::Seccomp { filter: filter.program.clone(), flags: filter.flags as u16 };
            self.push(step, "linux.seccomp");
        }
    }

    fn credentials(&mut self, process: &Process, grantable: u64, setgroups: bool) {
        let caps = process.capabilities().as_ref();
        warn_of_withheld(caps, grantable);
        let mask = |set: Option<&Capabilities>| set.map_or(0, capabilities::mask) & grantable;
        let permitted = mask(caps.and_then(|c| c.permitted().as_ref()));
        let step = StepBuf::Credentials {
            uid: process.user().uid(),
            gid: process.user().gid(),
            setgroups,
            bounding: mask(caps.and_then(|c| c.bounding().as_ref())),
            permitted,
            effective: mask(caps.and_then(|c| c.effective().as_ref())),
            inheritable: mask(caps.and_then(|c| c.inheritable().as_ref())),
            ambient: mask(caps.and_then(|c| c.ambient().as_ref())),
        };
        self.push(step, "process.capabilities");
    }
}

/// Those that can't be granted are "logged as a warning" (config.md); callers parse the log at its default level.
fn warn_of_withheld(caps: Option<&LinuxCapabilities>, grantable: u64) {
    let Some(caps) = caps.filter(|_| log::log_enabled!(log::Level::Debug)) else { return };
    let sets = [caps.bounding(), caps.effective(), caps.permitted(), caps.inheritable(), caps.ambient()];
    let asked = sets.into_iter().flatten().fold(0, |asked, set| asked | capabilities::mask(set));
    for (number, name) in capabilities::CAPABILITIES.iter().enumerate() {
        if asked & !grantable & (1 << number) != 0 {
            log::warn!("ignoring unknown or unavailable capability CAP_{name}");
        }
    }
}

fn named(label: &Option<String>) -> Option<&str> {
    label.as_deref().filter(|label| !label.is_empty())
}

/// The process, which a container must have.
pub(super) fn process(spec: &Spec) -> Result<&Process, Error> {
    spec.process().as_ref().ok_or(Error::Missing("process"))
}

/// The variables with only the last of each name, in the order of the first.
fn last_of_each(env: Vec<String>) -> Vec<String> {
    let name = |entry: &str| entry.split('=').next().unwrap_or_default().to_owned();
    let mut places = std::collections::HashMap::new();
    let mut out: Vec<String> = Vec::with_capacity(env.len());
    for entry in env {
        match places.get(&name(&entry)) {
            Some(&place) => {
                if let Some(old) = out.get_mut::<usize>(place) {
                    *old = entry;
                }
            }
            None => {
                places.insert(name(&entry), out.len());
                out.push(entry);
            }
        }
    }
    out
}

fn program_name(process: &Process) -> Option<&str> {
    process.args().as_ref()?.first().map(String::as_str)
}

/// Where the program may be, in order: as execvp(3) looks, with the PATH of the container's environment.
fn candidates(process: &Process) -> Vec<String> {
    let program = program_name(process).unwrap_or_default();
    let cwd = process.cwd();
    if program.contains('/') {
        return vec![cwd.join(program).to_string_lossy().into_owned()];
    }
    let env = process.env().as_deref().unwrap_or_default();
    let path = env.iter().rev().find_map(|e| e.strip_prefix("PATH=")).unwrap_or_default();
    path.split(':')
        .filter(|_| !path.is_empty() && !program.is_empty())
        .map(|dir| cwd.join(dir).join(program).to_string_lossy().into_owned())
        .collect()
}

fn rlimits(process: &Process) -> impl Iterator<Item = &PosixRlimit> {
    process.rlimits().iter().flatten()
}

fn limit_origin(index: usize, limit: &PosixRlimit) -> String {
    format!("process.rlimits[{index}] ({})", limit.typ())
}

fn cwd_origin(cwd: &Path) -> String {
    format!("process.cwd ({})", cwd.display())
}

fn resource(kind: PosixRlimitType) -> u32 {
    use nix::libc;
    match kind {
        PosixRlimitType::RlimitCpu => libc::RLIMIT_CPU,
        PosixRlimitType::RlimitFsize => libc::RLIMIT_FSIZE,
        PosixRlimitType::RlimitData => libc::RLIMIT_DATA,
        PosixRlimitType::RlimitStack => libc::RLIMIT_STACK,
        PosixRlimitType::RlimitCore => libc::RLIMIT_CORE,
        PosixRlimitType::RlimitRss => libc::RLIMIT_RSS,
        PosixRlimitType::RlimitNproc => libc::RLIMIT_NPROC,
        PosixRlimitType::RlimitNofile => libc::RLIMIT_NOFILE,
        PosixRlimitType::RlimitMemlock => libc::RLIMIT_MEMLOCK,
        PosixRlimitType::RlimitAs => libc::RLIMIT_AS,
        PosixRlimitType::RlimitLocks => libc::RLIMIT_LOCKS,
        PosixRlimitType::RlimitSigpending => libc::RLIMIT_SIGPENDING,
        PosixRlimitType::RlimitMsgqueue => libc::RLIMIT_MSGQUEUE,
        PosixRlimitType::RlimitNice => libc::RLIMIT_NICE,
        PosixRlimitType::RlimitRtprio => libc::RLIMIT_RTPRIO,
        PosixRlimitType::RlimitRttime => libc::RLIMIT_RTTIME,
    }
}
