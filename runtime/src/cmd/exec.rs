//! `exec`.

use super::{absolute, store};
use crate::cli::Global;
use crate::cli::command::Exec;
use crate::cli::user::User;
use crate::config;
use crate::lifecycle::exec::{Request, container_process, exec, fill_in};
use anyhow::{anyhow, bail};
use oci_spec::runtime::{Capabilities, Capability, LinuxCapabilities, Process};
use std::path::Path;

/// The properties of the process that flags set.
const PROPERTIES: [(&str, &str); 7] = [
    ("args", "command"),
    ("env", "--env"),
    ("cwd", "--cwd"),
    ("user.additionalGids", "--additional-gids"),
    ("user", "--user"),
    ("apparmorProfile", "--apparmor"),
    ("selinuxLabel", "--process-label"),
];

/// Runs a second process; in the foreground its exit code is ours.
pub fn run(global: &Global, args: &Exec) -> anyhow::Result<i32> {
    let store = store(global);
    let own = container_process(&store, &args.id)?;
    let (process, source) = match &args.process {
        Some(file) => (fill_in(read_process(file)?, &own), config::Source::File(file.clone())),
        None => (from_flags(own, args)?, config::Source::Flags(&PROPERTIES)),
    };
    let request = Request {
        id: args.id.clone(),
        process,
        source,
        console_socket: args.console_socket.clone(),
        pidfd_socket: args.pidfd_socket.clone(),
        pid_file: args.pid_file.as_deref().map(absolute).transpose()?,
        preserve_fds: args.preserve_fds,
        cgroups: args.cgroup.clone(),
        ignore_paused: args.ignore_paused,
        detach: args.detach,
    };
    Ok(exec(&store, &request)?)
}

fn read_process(file: &Path) -> anyhow::Result<Process> {
    let text = std::fs::read(file)
        .map_err(|error| anyhow::anyhow!("{}: {}", file.display(), crate::errno::io_words(&error)))?;
    Ok(config::parse_process(&text, file)?)
}

/// The container's own process, changed by the flags.
fn from_flags(mut process: Process, args: &Exec) -> anyhow::Result<Process> {
    if args.command.is_empty() {
        bail!("process args cannot be empty");
    }
    process.set_args(Some(args.command.clone()));
    process.set_terminal(Some(args.tty));
    if let Some(cwd) = &args.cwd {
        process.set_cwd(cwd.clone());
    }
    let mut env = process.env().clone().unwrap_or_default();
    env.extend(args.env.iter().cloned());
    process.set_env(Some(env));
    set_user(&mut process, args)?;
    if args.no_new_privs {
        process.set_no_new_privileges(Some(true));
    }
    if let Some(profile) = &args.apparmor {
        process.set_apparmor_profile(Some(profile.clone()));
    }
    if let Some(label) = &args.process_label {
        process.set_selinux_label(Some(label.clone()));
    }
    add_capabilities(&mut process, &args.cap);
    Ok(process)
}

/// The user that was asked for, with the container's further groups.
fn set_user(process: &mut Process, args: &Exec) -> anyhow::Result<()> {
    let user = process.user_mut();
    if let Some(wanted) = &args.user {
        let wanted: User = wanted.parse().map_err(|error| anyhow!("--user: {error}"))?;
        user.set_uid(wanted.uid);
        if let Some(gid) = wanted.gid {
            user.set_gid(gid);
        }
    }
    let mut gids = user.additional_gids().clone().unwrap_or_default();
    gids.extend(&args.additional_gids);
    user.set_additional_gids(Some(gids));
    Ok(())
}

/// Into bounding, effective and permitted; never into inheritable, and into ambient only where the process has
/// inheritable ones already (CVE-2022-29162).
fn add_capabilities(process: &mut Process, names: &[String]) {
    if names.is_empty() {
        return;
    }
    let added: Capabilities = names.iter().filter_map(|name| known_capability(name)).collect();
    let with = |set: &Option<Capabilities>| Some(set.iter().flatten().chain(&added).copied().collect());
    let before = process.capabilities().clone().unwrap_or_else(no_capabilities);
    let mut caps = before.clone();
    caps.set_bounding(with(before.bounding()));
    caps.set_effective(with(before.effective()));
    caps.set_permitted(with(before.permitted()));
    if before.inheritable().as_ref().is_some_and(|set| !set.is_empty()) {
        caps.set_ambient(with(before.ambient()));
    }
    process.set_capabilities(Some(caps));
}

/// One that we don't know is "logged as a warning" and left out, as one of a config is (config.md).
fn known_capability(name: &str) -> Option<Capability> {
    let upper = name.to_ascii_uppercase();
    let known = upper.strip_prefix("CAP_").unwrap_or(&upper).parse();
    if known.is_err() && log::log_enabled!(log::Level::Debug) {
        log::warn!("ignoring unknown or unavailable capability {name}");
    }
    known.ok()
}

fn no_capabilities() -> LinuxCapabilities {
    let mut caps = LinuxCapabilities::default();
    caps.set_bounding(None).set_effective(None).set_inheritable(None).set_permitted(None).set_ambient(None);
    caps
}
