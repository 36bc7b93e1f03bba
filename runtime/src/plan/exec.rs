//! The plan of `exec`: joins a running container and becomes a second process of it.

use super::{Birth, Builder, CgroupJoin, Error, FdRole, Plan};
use crate::facts::Facts;
use crate::namespaces::NamespaceType;
use crate::seccomp::Filter;
use oci_spec::runtime::{LinuxMemoryPolicy, LinuxPersonality, Process};
use skeg_proto::NO_FD;
use skeg_proto::step::StepBuf;
use skeg_proto::write::InitBuf;
use std::ffi::CString;

/// What `exec` knows beside the process.
#[derive(Clone, Debug)]
pub struct ExecOptions<'a> {
    /// The container's id.
    pub id: String,
    /// CLONE_NEW* flags of the namespaces that the container does not share with the host.
    pub namespaces: u32,
    /// fds from 3 up that the program keeps.
    pub keep_fds: u32,
    /// LISTEN_FDS of the caller, passed on.
    pub listen_fds: u32,
    /// The master goes to a `--console-socket`, not to the runtime.
    pub console_socket: bool,
    /// Whether the container has a session keyring of its own to join.
    pub keyring: bool,
    /// Whether setgroups(2) works in the container's user namespace.
    pub groups_allowed: bool,
    /// How the cgroup is joined.
    pub join: CgroupJoin,
    /// `linux.personality` of the container.
    pub personality: Option<&'a LinuxPersonality>,
    /// `linux.memoryPolicy` of the container.
    pub memory_policy: Option<&'a LinuxMemoryPolicy>,
}

/// Compiles the plan of a second process.
pub fn compile_exec(
    process: &Process,
    facts: &Facts,
    options: &ExecOptions<'_>,
    filter: Option<&Filter>,
) -> Result<Plan, Error> {
    let mut plan = Builder::new(3 + options.keep_fds, options.join, Birth::Stage);
    let own_userns = options.namespaces & NamespaceType::User.clone_flag().bits() as u32 != 0;
    if own_userns {
        plan.raise_limits(process);
    }
    if options.namespaces != 0 {
        let pidfd = plan.fd(FdRole::Init);
        plan.push(StepBuf::Join { pidfd, namespaces: options.namespaces }, "the container's namespaces");
    }
    plan.clone_or_born("the container's namespaces");
    if options.namespaces & NamespaceType::Mount.clone_flag().bits() as u32 == 0 {
        // As create did: without a mount namespace nothing that was joined has brought the root along.
        let root = plan.fd(FdRole::Root);
        let path = super::text::c_string(format!("/proc/self/fd/{root}"), "root.path")?;
        plan.push(StepBuf::Chroot { path }, "the container's root");
    }

    if options.keyring {
        let name = super::text::c_string(format!("_ses.{}", options.id), "session keyring")?;
        // It exists: its permissions are those that `create` gave it.
        plan.push(StepBuf::Keyring { name, permissions: 0 }, "session keyring");
    }
    plan.exec_affinity(process);
    if process.terminal().unwrap_or(false) {
        let socket = if options.console_socket { plan.fd(FdRole::ConsoleSocket) } else { NO_FD };
        let (rows, columns) = super::devices::console_size(process.console_size());
        plan.push(StepBuf::Console { socket, rows, columns, mount: false }, "process.terminal");
    }
    let mask = process.user().umask().unwrap_or(0o022);
    plan.push(StepBuf::Umask { mask }, "process.user.umask");
    let mut env = process.env().clone().unwrap_or_default();
    if options.listen_fds > 0 {
        env.push(format!("LISTEN_FDS={}", options.listen_fds));
    }
    plan.process_environment(process, env)?;
    plan.process_program(process)?;
    plan.personality(options.personality, options.memory_policy);
    plan.scheduling(process);
    plan.push(StepBuf::Ready { fifo: NO_FD }, "start");

    let grantable = if own_userns { u64::MAX } else { facts.permitted };
    plan.confine(process, filter, grantable, options.groups_allowed)?;
    plan.exec(options.keep_fds);
    let oom = process.oom_score_adj().and_then(|value| CString::new(value.to_string()).ok());
    Ok(plan.finish(InitBuf { oom_score_adj: oom, rootless_euid: facts.rootless, ..InitBuf::default() }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cgroup::Layout;
    use oci_spec::runtime::ProcessBuilder;

    /// The steps up to the clone of an exec of `oci_spec`'s default process, which has one limit.
    fn steps_before_the_clone(namespaces: NamespaceType) -> Vec<StepBuf> {
        let options = ExecOptions {
            id: "web".to_owned(),
            namespaces: namespaces.clone_flag().bits() as u32,
            keep_fds: 0,
            listen_fds: 0,
            console_socket: false,
            keyring: true,
            groups_allowed: true,
            join: CgroupJoin::None,
            personality: None,
            memory_policy: None,
        };
        let process = ProcessBuilder::default().build().unwrap();
        let plan = compile_exec(&process, &Facts::gather(Some(false), Layout::None), &options, None).unwrap();
        plan.steps
            .into_iter()
            .map(|planned| planned.step)
            .take_while(|step| *step != StepBuf::Clone {})
            .collect()
    }

    /// In the user namespace it would be refused. Seen failing without `raise_limits`.
    #[test]
    fn limits_are_raised_before_the_user_namespace_is_joined() {
        let steps = steps_before_the_clone(NamespaceType::User);
        assert!(
            matches!(
                steps.as_slice(),
                [StepBuf::Fds { .. }, StepBuf::RaiseLimit { hard: 1024, .. }, StepBuf::Join { .. }]
            ),
            "{steps:?}"
        );
    }

    #[test]
    fn limits_need_no_raising_where_the_privileges_are_kept() {
        let steps = steps_before_the_clone(NamespaceType::Pid);
        assert!(matches!(steps.as_slice(), [StepBuf::Fds { .. }, StepBuf::Join { .. }]), "{steps:?}");
    }
}
