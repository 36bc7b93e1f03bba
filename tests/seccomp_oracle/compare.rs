//! The filters of one profile, run on every call that could tell them apart.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::AddAssign;

use oci_spec::runtime::{Arch, LinuxSeccomp};
use skeg::seccomp::{self, Host};

use crate::interpreter::{self, Call, Instruction};
use crate::libseccomp::{self, Libseccomp, Refusal};
use crate::model::Model;
use crate::names::Names;
use crate::{X32_BIT, arguments, audit};

/// What was compared, and how.
#[derive(Clone, Copy, Default)]
pub struct Tally {
    /// Profiles of which there were two filters.
    pub compared: u64,
    /// Profiles that contradict themselves, as both compilers say.
    contradictory: u64,
    /// Profiles whose rules libseccomp can't merge: ours was held against the model.
    unmerged: u64,
    /// Profiles over which libseccomp goes in circles: ours was held against the model.
    endless: u64,
    /// Profiles on an architecture that libseccomp does not know: ours was held against the model.
    unknown: u64,
    /// Profiles whose names libseccomp does not all know: ours was held against the model once more, with all of them.
    newer: u64,
    /// Calls that our filter and libseccomp's decide alike, and as the model says.
    pub identical: u64,
    /// Calls that libseccomp decides as no rule says; ours does what a rule says.
    wrong: u64,
    /// Calls for which several rules hold, and libseccomp takes another one.
    other: u64,
    /// Calls for which the model was the only one to ask.
    alone: u64,
}

impl Tally {
    /// Whether libseccomp was asked for most of the profiles that it could know.
    pub fn most_are_compared(&self) -> bool {
        self.compared * 3 >= (self.profiles() - self.unknown) * 2
    }

    fn profiles(&self) -> u64 {
        self.compared + self.contradictory + self.unmerged + self.endless + self.unknown
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, more: Self) {
        for (sum, more) in [
            (&mut self.compared, more.compared),
            (&mut self.contradictory, more.contradictory),
            (&mut self.unmerged, more.unmerged),
            (&mut self.endless, more.endless),
            (&mut self.unknown, more.unknown),
            (&mut self.newer, more.newer),
            (&mut self.identical, more.identical),
            (&mut self.wrong, more.wrong),
            (&mut self.other, more.other),
            (&mut self.alone, more.alone),
        ] {
            *sum += more;
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { compared, contradictory, unmerged, endless, unknown, newer, .. } = self;
        writeln!(
            f,
            "{} profiles: {compared} compared, {contradictory} contradict themselves, libseccomp can't merge \
             {unmerged}, loops on {endless}, lacks the architecture of {unknown}; again with newer names: {newer}",
            self.profiles()
        )?;
        let Self { identical, wrong, other, alone, .. } = self;
        write!(
            f,
            "{} calls: {identical} identical; libseccomp's merged rules do what none says {wrong} times, and choose \
             another of several that hold {other} times; the model alone {alone} times",
            identical + wrong + other + alone
        )
    }
}

/// The numbers to try on an architecture: all up to the highest that it has and well beyond, and the odd ones.
fn numbers(arch: Arch) -> BTreeSet<u32> {
    let known: BTreeSet<u32> = seccomp::calls(arch).unwrap().into_iter().map(|(_, number)| number).collect();
    let around = known.iter().flat_map(|number| number.saturating_sub(1)..=number + 1);
    let first = known.first().copied().unwrap_or_default();
    // ARM's private calls are far away from the others.
    let dense = known.iter().copied().take_while(|number| *number < first + 1000).last().unwrap_or_default();
    let odd = [0, 1, 100, 1000, X32_BIT - 1, X32_BIT, X32_BIT + 400, 0x7fff_ffff, 0x8000_0000, 0xc000_0000];
    let low = 0..50;
    around.chain(first..dense + 50).chain(low).chain(odd).chain([u32::MAX - 1, u32::MAX]).collect()
}

/// A profile on some architectures that may stand in one filter, the host's first.
struct Case<'a> {
    profile: LinuxSeccomp,
    archs: &'a [Arch],
    names: Names,
    /// Those whose arguments are tried.
    varied: Names,
}

/// Compares the filters of `profile`, for a host of the first architecture.
pub fn compare(profile: &LinuxSeccomp, archs: &[Arch], oracle: &mut Libseccomp) -> Result<Tally, String> {
    let mut profile = profile.clone();
    profile.set_architectures(Some(archs[1..].to_vec()));
    let all = Names::ours(&profile, archs);
    if !archs.iter().all(|arch| oracle.knows(*arch)) {
        let mut tally = Case { profile, archs, varied: all.clone(), names: all }.ours_alone()?;
        tally.unknown = 1;
        return Ok(tally);
    }
    let common = all.common(archs, oracle);
    let newer = all.without(&common);
    let restricted = common.restrict(&profile);
    let mut tally =
        Case { profile: restricted, archs, varied: common.clone(), names: common }.both(oracle)?;
    if newer.count() > 0 {
        tally += Case { profile, archs, names: all, varied: newer }.ours_alone()?;
        tally.newer = 1;
    }
    Ok(tally)
}

impl Case<'_> {
    fn big_endian(&self) -> bool {
        self.archs[0] as u32 & X32_BIT == 0
    }

    fn ours(&self) -> Result<Vec<Instruction>, seccomp::Error> {
        let filter = seccomp::compile(&self.profile, &Host { arch: self.archs[0] })?;
        Ok(interpreter::decode(&filter.program, cfg!(target_endian = "big")))
    }

    /// Ours against the model; nothing where the profile contradicts itself.
    fn ours_alone(&self) -> Result<Tally, String> {
        match self.ours() {
            Ok(ours) => self.run(&ours, None),
            Err(seccomp::Error::Conflict { .. }) => Ok(Tally::default()),
            Err(why) => Err(why.to_string()),
        }
    }

    fn both(&self, oracle: &mut Libseccomp) -> Result<Tally, String> {
        let (mut tally, ours, theirs) =
            (Tally::default(), self.ours(), oracle.compile(&self.profile, self.archs));
        let ours = match ours {
            Ok(ours) => ours,
            Err(seccomp::Error::Conflict { .. }) if theirs.is_err() => {
                tally.contradictory = 1;
                return Ok(tally);
            }
            Err(why) => return Err(format!("ours fails: {why}")),
        };
        match theirs {
            Ok(theirs) => {
                let mut theirs = interpreter::decode(&theirs, self.big_endian());
                if self.big_endian() {
                    libseccomp::mend(&mut theirs, &self.profile);
                }
                tally = self.run(&ours, Some(&theirs))?;
                tally.compared = 1;
            }
            Err(refusal) => {
                tally = self.run(&ours, None)?;
                match refusal {
                    Refusal::Exists => tally.unmerged = 1,
                    Refusal::Endless => tally.endless = 1,
                    Refusal::Errno(errno) => return Err(format!("libseccomp: errno {errno}")),
                }
            }
        }
        Ok(tally)
    }

    fn run(&self, ours: &[Instruction], theirs: Option<&[Instruction]>) -> Result<Tally, String> {
        let model = Model::new(&self.profile, self.archs, &self.names);
        let mut tally = Tally::default();
        for (index, arch) in self.archs.iter().enumerate() {
            let conditional = arguments::conditional(&self.profile, index, &self.varied);
            for nr in numbers(*arch) {
                let call = Call { nr, arch: audit(*arch), args: [0; 6] };
                let samples = match conditional.contains(&nr) {
                    true => arguments::samples(model.conditions(&call)),
                    false => arguments::plain(),
                };
                for args in samples {
                    let call = Call { args, ..call };
                    self.one(&model, &call, ours, theirs, &mut tally)
                        .map_err(|why| format!("{arch} {why}"))?;
                }
            }
        }
        let foreign = Call { nr: 0, arch: 0x1234, args: [0; 6] };
        self.one(&model, &foreign, ours, theirs, &mut tally)?;
        Ok(tally)
    }

    fn one(
        &self,
        model: &Model,
        call: &Call,
        ours: &[Instruction],
        theirs: Option<&[Instruction]>,
        tally: &mut Tally,
    ) -> Result<(), String> {
        let ours = interpreter::run(ours, call, self.big_endian())?.0;
        if !model.allows(ours, call) {
            return Err(format!("{call:x?}: ours {ours:#x}, which no rule says"));
        }
        let theirs = match theirs {
            // In front of libseccomp's filter runc has a stub, which the model has, too.
            Some(_) if model.stub_decides(call) => ours,
            Some(theirs) => interpreter::run(theirs, call, self.big_endian())?.0,
            None => {
                tally.alone += 1;
                return Ok(());
            }
        };
        match (ours == theirs, model.is_merged(call), model.allows(theirs, call)) {
            (true, ..) => tally.identical += 1,
            (_, true, false) => tally.wrong += 1,
            (_, true, true) => tally.other += 1,
            (_, false, _) => return Err(format!("{call:x?}: ours {ours:#x}, libseccomp {theirs:#x}")),
        }
        Ok(())
    }
}
