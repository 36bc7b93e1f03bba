//! Random profiles, the same for the same seed.

use oci_spec::runtime::{
    Arch, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompArgBuilder, LinuxSeccompOperator,
    LinuxSyscall,
};
use skeg::seccomp;

/// SplitMix64.
pub struct Random(u64);

/// All but `SCMP_ACT_NOTIFY`, which can't be the default.
const ACTIONS: [LinuxSeccompAction; 8] = [
    LinuxSeccompAction::ScmpActAllow,
    LinuxSeccompAction::ScmpActErrno,
    LinuxSeccompAction::ScmpActKill,
    LinuxSeccompAction::ScmpActKillThread,
    LinuxSeccompAction::ScmpActKillProcess,
    LinuxSeccompAction::ScmpActTrap,
    LinuxSeccompAction::ScmpActTrace,
    LinuxSeccompAction::ScmpActLog,
];

const OPERATORS: [LinuxSeccompOperator; 7] = [
    LinuxSeccompOperator::ScmpCmpNe,
    LinuxSeccompOperator::ScmpCmpLt,
    LinuxSeccompOperator::ScmpCmpLe,
    LinuxSeccompOperator::ScmpCmpEq,
    LinuxSeccompOperator::ScmpCmpGe,
    LinuxSeccompOperator::ScmpCmpGt,
    LinuxSeccompOperator::ScmpCmpMaskedEq,
];

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x2545_f491_4f6c_dd1d))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    fn action(&mut self, call: &mut LinuxSyscall) {
        let notifies = self.below(ACTIONS.len() + 1) == 0;
        // Not for what hands the listener over.
        let may_notify = !call.names().iter().any(|name| ["write", "sendmsg"].contains(&name.as_str()));
        let action = *self.pick(&ACTIONS);
        call.set_action(if notifies && may_notify { LinuxSeccompAction::ScmpActNotify } else { action });
        if self.below(2) == 0 {
            call.set_errno_ret(Some(self.below(100) as u32));
        }
    }

    fn value(&mut self) -> u64 {
        match self.below(4) {
            0 => self.below(8) as u64,
            1 => 1 << self.below(64),
            2 => 0xffff_ffff,
            _ => (self.below(3) as u64) << 32 | self.below(3) as u64,
        }
    }

    fn arg(&mut self, index: usize) -> LinuxSeccompArg {
        let op = *self.pick(&OPERATORS);
        let arg = LinuxSeccompArgBuilder::default().index(index).op(op).value(self.value());
        let two = op == LinuxSeccompOperator::ScmpCmpMaskedEq || self.below(4) == 0;
        if two { arg.value_two(self.value()) } else { arg }.build().unwrap()
    }

    /// A profile with the names of an architecture.
    pub fn profile(&mut self, arch: Arch) -> LinuxSeccomp {
        let names = seccomp::calls(arch).unwrap();
        let mut profile = LinuxSeccomp::default();
        profile.set_default_action(*self.pick(&ACTIONS));
        profile.set_default_errno_ret(Some(self.below(50) as u32));
        let mut syscalls = Vec::new();
        for _ in 0..self.below(60) {
            let mut call = LinuxSyscall::default();
            let start = self.below(names.len());
            let run = 1 + self.below(8);
            call.set_names(names.iter().skip(start).take(run).map(|(name, _)| (*name).to_owned()).collect());
            self.action(&mut call);
            if self.below(2) == 0 {
                let args = (0..1 + self.below(3))
                    .map(|_| {
                        let i = self.below(6);
                        self.arg(i)
                    })
                    .collect();
                call.set_args(Some(args));
            }
            syscalls.push(call);
        }
        profile.set_syscalls(Some(syscalls));
        profile
    }
}
