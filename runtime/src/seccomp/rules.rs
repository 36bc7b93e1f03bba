//! The profile, checked: what each entry says, before it is known which numbers its names have.

use oci_spec::runtime::{LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompOperator};

use super::Error;
use super::calls::{CALLS, Syscall};

// linux/seccomp.h: SECCOMP_RET_*.
const KILL_PROCESS: u32 = 0x8000_0000;
/// `SECCOMP_RET_KILL_THREAD`.
pub(super) const KILL_THREAD: u32 = 0;
const TRAP: u32 = 0x0003_0000;
/// `SECCOMP_RET_ERRNO`; the lower 16 bits are the errno.
pub(super) const ERRNO: u32 = 0x0005_0000;
const USER_NOTIF: u32 = 0x7fc0_0000;
const TRACE: u32 = 0x7ff0_0000;
const LOG: u32 = 0x7ffc_0000;
const ALLOW: u32 = 0x7fff_0000;

/// The value of `ERRNO` and `TRACE` where the profile has none.
const EPERM: u32 = 1;

/// How an argument is compared. The other operators of the profile are these with the outcome turned around.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compare {
    Equal,
    /// With the mask applied to both sides.
    MaskedEqual,
    Greater,
    GreaterOrEqual,
}

/// One entry of `args`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    /// Which argument, 0 to 5.
    pub(super) arg: u32,
    pub(super) compare: Compare,
    /// Whether the comparison must hold; otherwise it must fail.
    pub(super) holds: bool,
    pub(super) mask: u64,
    pub(super) value: u64,
}

/// What one entry of `syscalls` says about each of its calls.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    /// Index in `syscalls`.
    pub(super) entry: usize,
    calls: Vec<Syscall>,
    /// `SECCOMP_RET_*`.
    pub(super) action: u32,
    /// All must be met. By argument, each at most once.
    pub(super) conditions: Vec<Condition>,
}

/// A checked profile.
pub(super) struct Profile {
    /// `SECCOMP_RET_*`.
    pub(super) default_action: u32,
    /// Whether a call that is newer than the profile gets `ENOSYS`.
    pub(super) unknown_is_enosys: bool,
    /// Whether a rule hands calls to a listener.
    pub(super) listener: bool,
    /// The rules that say something else than the default, in the profile's order.
    rules: Vec<Rule>,
    /// By [`Syscall::index`]: whether the profile knows the call, whatever it says about it.
    named: Vec<bool>,
    mentions: Mentions,
}

/// Which rules speak of a call.
#[derive(Default)]
struct Mentions {
    /// Indices in [`Profile::rules`], by call, then in the profile's order.
    rules: Vec<u32>,
    /// Where those of a call end, by its index; they begin where those of the call before end.
    ends: Vec<u32>,
}

impl Mentions {
    /// Counts, then puts each at its place.
    fn new(rules: &[Rule]) -> Self {
        let mentioned = || {
            (0..).zip(rules).flat_map(|(rule, said)| said.calls.iter().map(move |call| (call.index(), rule)))
        };
        let mut ends = vec![0; CALLS];
        for (call, _) in mentioned() {
            ends[call] += 1;
        }
        let mut all = 0;
        for end in &mut ends {
            (*end, all) = (all, all + *end);
        }
        let mut in_order = vec![0; all as usize];
        for (call, rule) in mentioned() {
            let end = &mut ends[call];
            in_order[*end as usize] = rule;
            *end += 1;
        }
        Self { rules: in_order, ends }
    }

    fn of(&self, call: Syscall) -> &[u32] {
        let end = |index: usize| self.ends.get(index).map(|end| *end as usize);
        let begin = call.index().checked_sub(1).map_or(Some(0), end);
        begin.zip(end(call.index())).and_then(|(begin, end)| self.rules.get(begin..end)).unwrap_or_default()
    }
}

impl Profile {
    pub(super) fn new(seccomp: &LinuxSeccomp) -> Result<Self, Error> {
        let default = seccomp.default_action();
        if default == LinuxSeccompAction::ScmpActNotify {
            return Err(Error::NotifyByDefault);
        }
        let default_action =
            action(default, seccomp.default_errno_ret()).map_err(|value| Error::DefaultErrno { value })?;
        let mut profile = Self {
            default_action,
            // A tracer, or who reads the log, is there to see new calls. As runc's patchbpf.
            unknown_is_enosys: !matches!(
                default,
                LinuxSeccompAction::ScmpActAllow
                    | LinuxSeccompAction::ScmpActLog
                    | LinuxSeccompAction::ScmpActTrace
            ),
            listener: false,
            rules: Vec::new(),
            named: vec![false; CALLS],
            mentions: Mentions::default(),
        };
        for (entry, syscall) in seccomp.syscalls().iter().flatten().enumerate() {
            profile.add(entry, syscall)?;
        }
        profile.mentions = Mentions::new(&profile.rules);
        Ok(profile)
    }

    fn add(&mut self, entry: usize, syscall: &oci_spec::runtime::LinuxSyscall) -> Result<(), Error> {
        let notify = syscall.action() == LinuxSeccompAction::ScmpActNotify;
        let mut calls = Vec::with_capacity(syscall.names().len());
        for (name, text) in syscall.names().iter().enumerate() {
            match text.as_str() {
                "" => return Err(Error::EmptyName { entry, name }),
                "write" if notify => return Err(Error::NotifyItself { entry, name, call: "write" }),
                "sendmsg" if notify => return Err(Error::NotifyItself { entry, name, call: "sendmsg" }),
                // What no architecture has can't be called.
                text => calls.extend(Syscall::named(text)),
            }
        }
        for call in &calls {
            self.named[call.index()] = true;
        }
        self.listener |= notify && !syscall.names().is_empty();
        let action =
            action(syscall.action(), syscall.errno_ret()).map_err(|value| Error::Errno { entry, value })?;
        let args = syscall.args().as_deref().unwrap_or_default();
        let mut conditions = Vec::with_capacity(args.len());
        for (index, arg) in args.iter().enumerate() {
            if arg.index() > 5 {
                return Err(Error::Index { entry, arg: index, index: arg.index() });
            }
            conditions.push(condition(arg));
        }
        if action == self.default_action {
            return Ok(());
        }
        conditions.sort_by_key(|condition| condition.arg);
        // As runc: who names an argument twice means one or the other.
        if conditions.windows(2).any(|pair| matches!(pair, [a, b] if a.arg == b.arg)) {
            let alternatives = conditions_in_order(args);
            self.rules.extend(alternatives.map(|condition| Rule {
                entry,
                calls: calls.clone(),
                action,
                conditions: vec![condition],
            }));
        } else {
            self.rules.push(Rule { entry, calls, action, conditions });
        }
        Ok(())
    }

    /// The calls that the profile knows.
    pub(super) fn named(&self) -> impl Iterator<Item = Syscall> {
        Syscall::all().filter(|call| self.knows(*call))
    }

    /// Whether the profile knows a call.
    pub(super) fn knows(&self, call: Syscall) -> bool {
        self.named.get(call.index()).copied().unwrap_or(false)
    }

    /// The rules about a call, in the profile's order.
    pub(super) fn rules_of(&self, call: Syscall) -> impl Iterator<Item = &Rule> {
        self.mentions.of(call).iter().filter_map(|&rule| self.rules.get(rule as usize))
    }

    /// What happens to a call whatever its arguments are, where that is settled by its first rule.
    ///
    /// A rule without conditions beats all others, and the first one beats later ones: see decision.rs.
    pub(super) fn always(&self, call: Syscall) -> Option<u32> {
        self.rules_of(call).next().filter(|rule| rule.conditions.is_empty()).map(|rule| rule.action)
    }
}

fn conditions_in_order(args: &[LinuxSeccompArg]) -> impl Iterator<Item = Condition> {
    args.iter().map(condition)
}

/// The value that a filter returns for `action`, or an errno that is too large for it.
///
/// `errnoRet` beside any other action than `ERRNO` and `TRACE` is ignored, as runc does.
fn action(action: LinuxSeccompAction, errno: Option<u32>) -> Result<u32, u32> {
    let with_errno = |action| match errno.unwrap_or(EPERM) {
        errno @ 0..=0xffff => Ok(action | errno),
        errno => Err(errno),
    };
    match action {
        LinuxSeccompAction::ScmpActKill | LinuxSeccompAction::ScmpActKillThread => Ok(KILL_THREAD),
        LinuxSeccompAction::ScmpActKillProcess => Ok(KILL_PROCESS),
        LinuxSeccompAction::ScmpActTrap => Ok(TRAP),
        LinuxSeccompAction::ScmpActErrno => with_errno(ERRNO),
        LinuxSeccompAction::ScmpActNotify => Ok(USER_NOTIF),
        LinuxSeccompAction::ScmpActTrace => with_errno(TRACE),
        LinuxSeccompAction::ScmpActLog => Ok(LOG),
        LinuxSeccompAction::ScmpActAllow => Ok(ALLOW),
    }
}

fn condition(arg: &LinuxSeccompArg) -> Condition {
    let (compare, holds) = match arg.op() {
        LinuxSeccompOperator::ScmpCmpEq => (Compare::Equal, true),
        LinuxSeccompOperator::ScmpCmpMaskedEq => (Compare::MaskedEqual, true),
        LinuxSeccompOperator::ScmpCmpNe => (Compare::Equal, false),
        LinuxSeccompOperator::ScmpCmpGt => (Compare::Greater, true),
        LinuxSeccompOperator::ScmpCmpLe => (Compare::Greater, false),
        LinuxSeccompOperator::ScmpCmpGe => (Compare::GreaterOrEqual, true),
        LinuxSeccompOperator::ScmpCmpLt => (Compare::GreaterOrEqual, false),
    };
    let (mask, value) = match arg.op() {
        LinuxSeccompOperator::ScmpCmpMaskedEq => (arg.value(), arg.value_two().unwrap_or(0) & arg.value()),
        _ => (u64::MAX, arg.value()),
    };
    Condition { arg: arg.index() as u32, compare, holds, mask, value }
}
