//! Hooks that nsexec runs itself, and the point where it waits for the runtime's and for network devices.

use super::text::{c_string, c_strings};
use super::{Builder, Error, FdRole, Options};
use oci_spec::runtime::{Hook, Hooks, PosixRlimitType, Spec};
use skeg_proto::NO_FD;
use skeg_proto::step::StepBuf;

impl Builder {
    /// prestart and createRuntime are run by the runtime; createContainer by nsexec, still in sight of the host's
    /// files: their paths resolve in the runtime's namespace (config.md, "Hooks").
    #[allow(deprecated)]
    pub(super) fn hooks_before_pivot(&mut self, spec: &Spec, options: &Options) -> Result<(), Error> {
        let hooks = spec.hooks().as_ref();
        let runtime = hooks.map(|hooks| [hooks.prestart(), hooks.create_runtime()]);
        let has_hooks = runtime.is_some_and(|lists| lists.into_iter().flatten().any(|list| !list.is_empty()));
        let devices = spec.linux().as_ref().and_then(|linux| linux.net_devices().as_ref());
        match (has_hooks, devices.is_some_and(|devices| !devices.is_empty())) {
            (true, _) => self.push(StepBuf::HookPoint {}, "hooks.createRuntime"),
            (false, true) => self.push(StepBuf::HookPoint {}, "linux.netDevices"),
            (false, false) => {}
        }
        let Some(hooks) = hooks else { return Ok(()) };
        let state = StateText::new(spec, options, "creating");
        let output = match hooks.create_container().as_deref() {
            Some([_, ..]) => self.fd(FdRole::HookOutput),
            _ => NO_FD,
        };
        let context = Context { state, default_env: &[], output, inside: false };
        self.hook_list(hooks, Hooks::create_container, "createContainer", &context)
    }

    /// startContainer: inside the container, before its program. Without an environment of their own they get the
    /// process's, as runc does.
    pub(super) fn start_container_hooks(&mut self, spec: &Spec, options: &Options) -> Result<(), Error> {
        let Some(hooks) = spec.hooks() else { return Ok(()) };
        let output = match hooks.start_container().as_deref() {
            // `start` is another process than `create`, and has no file of its own. Nor is one of use under a limit of
            // what may be written to files, which holds for the hook by then.
            Some([_, ..]) if !options.fifo && !limits_files(spec) => self.fd(FdRole::HookOutput),
            _ => NO_FD,
        };
        let default_env = spec.process().as_ref().and_then(|p| p.env().as_deref()).unwrap_or_default();
        let state = StateText::new(spec, options, "created");
        let context = Context { state, default_env, output, inside: true };
        self.hook_list(hooks, Hooks::start_container, "startContainer", &context)
    }

    fn hook_list(
        &mut self,
        hooks: &Hooks,
        list: impl Fn(&Hooks) -> &Option<Vec<Hook>>,
        name: &str,
        context: &Context<'_>,
    ) -> Result<(), Error> {
        let Context { state, default_env, output, inside } = context;
        for (index, hook) in list(hooks).iter().flatten().enumerate() {
            let origin = format!("hooks.{name}[{index}] ({})", hook.path().display());
            let path = c_string(hook.path(), &origin)?;
            let args = match hook.args().as_deref() {
                Some(args) if !args.is_empty() => c_strings(args, &origin)?,
                _ => vec![path.clone()],
            };
            let env = hook.env().as_deref().filter(|e| !e.is_empty()).unwrap_or(default_env);
            let seconds = u32::try_from(hook.timeout().unwrap_or(0)).unwrap_or(0);
            self.push(StepBuf::HookArgs { args, flags: 0 }, origin.clone());
            self.push(StepBuf::HookEnv { vars: c_strings(env, &origin)?, flags: 0 }, origin.clone());
            self.push(StepBuf::HookStdin { text: state.text.clone().into_bytes(), flags: 0 }, origin.clone());
            let timeout = seconds.saturating_mul(1000);
            let (pid_at, output, inside) = (state.pid_at, *output, *inside);
            self.push(StepBuf::Hook { path, timeout, pid_at, output, inside }, origin);
        }
        Ok(())
    }
}

/// What the hooks of a list have in common.
struct Context<'a> {
    state: StateText,
    /// The environment of those that have none of their own.
    default_env: &'a [String],
    /// The fd of the file for their output.
    output: u32,
    /// They run as the program would.
    inside: bool,
}

fn limits_files(spec: &Spec) -> bool {
    let limits = spec.process().as_ref().and_then(|process| process.rlimits().as_deref()).unwrap_or_default();
    limits.iter().any(|limit| limit.typ() == PosixRlimitType::RlimitFsize)
}

/// The state JSON for a hook inside the container, with the place for the pid as it is seen there.
struct StateText {
    text: String,
    pid_at: u32,
}

impl StateText {
    fn new(spec: &Spec, options: &Options, status: &str) -> Self {
        let annotations = spec.annotations().clone().unwrap_or_default().into_iter().collect();
        let state = crate::hooks::HookState {
            oci_version: spec.version(),
            id: &options.id,
            status,
            pid: None,
            bundle: &options.bundle,
            annotations: &annotations,
        };
        let (head, tail) = state.around_pid();
        Self { pid_at: head.len() as u32, text: head + &tail }
    }
}
