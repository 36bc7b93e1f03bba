//! The profile, checked: what each entry says, before it is known which numbers its names have.

use oci_spec::runtime::{LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompOperator};

use super::Error;
use super::name::{Index, Name};

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Compare {
    Equal,
    /// With the mask applied to both sides.
    MaskedEqual,
    Greater,
    GreaterOrEqual,
}

/// One entry of `args`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Condition {
    /// Which argument, 0 to 5.
    pub(super) arg: u32,
    pub(super) compare: Compare,
    /// Whether the comparison must hold; otherwise it must fail.
    pub(super) holds: bool,
    pub(super) mask: u64,
    pub(super) value: u64,
}

/// What one entry of `syscalls` says about each of its names.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    /// Index in `syscalls`.
    pub(super) entry: usize,
    /// Indices in [`Profile::names`].
    names: Vec<u32>,
    /// `SECCOMP_RET_*`.
    pub(super) action: u32,
    /// All must be met. By argument, each at most once.
    pub(super) conditions: Vec<Condition>,
}

/// A checked profile.
pub(super) struct Profile<'a> {
    /// `SECCOMP_RET_*`.
    pub(super) default_action: u32,
    /// Whether a call that is newer than the profile gets `ENOSYS`.
    pub(super) unknown_is_enosys: bool,
    /// Whether a rule hands calls to a listener.
    pub(super) listener: bool,
    /// The rules that say something else than the default, in the profile's order.
    pub(super) rules: Vec<Rule>,
    names: Index<'a>,
    mentions: Mentions,
}

/// Which rules speak of a name.
#[derive(Default)]
struct Mentions {
    /// Indices in [`Profile::rules`], by name, then in the profile's order.
    rules: Vec<u32>,
    /// By name.
    of: Vec<Mentioned>,
}

#[derive(Clone, Default)]
struct Mentioned {
    /// Where its rules end in `rules`; they begin where those of the name before end.
    end: u32,
    /// The action, if there is one whatever the arguments are: that of the first rule, if it has no conditions.
    always: Option<u32>,
}

impl Mentions {
    /// Counts, then puts each at its place.
    fn new(rules: &[Rule], names: usize) -> Self {
        let mentioned =
            || (0..).zip(rules).flat_map(|(rule, said)| said.names.iter().map(move |name| (*name, rule)));
        let mut of = vec![Mentioned::default(); names];
        for (name, _) in mentioned() {
            of[name as usize].end += 1;
        }
        let mut all = 0;
        for name in &mut of {
            (name.end, all) = (all, all + name.end);
        }
        let mut in_order = vec![u32::MAX; all as usize];
        let mut begin = 0;
        for (name, rule) in mentioned() {
            let name = &mut of[name as usize];
            in_order[name.end as usize] = rule;
            name.end += 1;
        }
        for name in &mut of {
            let first = in_order.get(begin as usize..name.end as usize).and_then(<[u32]>::first);
            let first = first.and_then(|rule| rules.get(*rule as usize));
            name.always = first.filter(|rule| rule.conditions.is_empty()).map(|rule| rule.action);
            begin = name.end;
        }
        Self { rules: in_order, of }
    }

    fn of(&self, name: u32) -> &[u32] {
        let end = |name: u32| self.of.get(name as usize).map(|mentioned| mentioned.end as usize);
        let begin = name.checked_sub(1).map_or(Some(0), end);
        begin.zip(end(name)).and_then(|(begin, end)| self.rules.get(begin..end)).unwrap_or_default()
    }
}

impl<'a> Profile<'a> {
    pub(super) fn new(seccomp: &'a LinuxSeccomp) -> Result<Self, Error> {
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
            names: Index::default(),
            mentions: Mentions::default(),
        };
        let names = seccomp.syscalls().iter().flatten().map(|syscall| syscall.names().len());
        profile.names.reserve(names.sum());
        for (entry, syscall) in seccomp.syscalls().iter().flatten().enumerate() {
            profile.add(entry, syscall)?;
        }
        profile.mentions = Mentions::new(&profile.rules, profile.names.len());
        Ok(profile)
    }

    fn add(&mut self, entry: usize, syscall: &'a oci_spec::runtime::LinuxSyscall) -> Result<(), Error> {
        let notify = syscall.action() == LinuxSeccompAction::ScmpActNotify;
        let mut names = Vec::with_capacity(syscall.names().len());
        for (name, text) in syscall.names().iter().enumerate() {
            match text.as_str() {
                "" => return Err(Error::EmptyName { entry, name }),
                "write" if notify => return Err(Error::NotifyItself { entry, name, call: "write" }),
                "sendmsg" if notify => return Err(Error::NotifyItself { entry, name, call: "sendmsg" }),
                text => {
                    names.push(self.names.number(Name::new(text.as_bytes())));
                }
            }
        }
        self.listener |= notify && !names.is_empty();
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
                names: names.clone(),
                action,
                conditions: vec![condition],
            }));
        } else {
            self.rules.push(Rule { entry, names, action, conditions });
        }
        Ok(())
    }

    /// The index of a name that the profile has.
    pub(super) fn name(&self, name: Name<'_>) -> Option<u32> {
        self.names.find(name)
    }

    /// The rules about a name, in the profile's order.
    pub(super) fn rules_of(&self, name: u32) -> impl Iterator<Item = &Rule> {
        self.mentions.of(name).iter().filter_map(|&rule| self.rules.get(rule as usize))
    }

    /// What happens to a call of this name whatever its arguments are, where that is settled by its first rule.
    ///
    /// A rule without conditions beats all others, and the first one beats later ones: see decision.rs.
    pub(super) fn always(&self, name: u32) -> Option<u32> {
        self.mentions.of.get(name as usize)?.always
    }

    /// How many names there are.
    pub(super) fn name_count(&self) -> usize {
        self.names.len()
    }

    /// The name with this index.
    pub(super) fn name_of(&self, index: u32) -> String {
        let name = self.names.name(index).unwrap_or_default();
        String::from_utf8_lossy(name).into_owned()
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
