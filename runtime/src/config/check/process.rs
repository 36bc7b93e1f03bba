//! `process`: what is started, and as whom.

use oci_spec::runtime::{
    IOPriorityClass, LinuxIOPriority, LinuxSchedulerPolicy, PosixRlimit, Process, Scheduler, User,
};

use super::{out_of_range, text};
use crate::config::error::Report;
use crate::config::path::{At, quote};

/// (uid_t)-1 and (gid_t)-1 mean "leave" to the kernel.
pub(super) const NO_ID: u32 = u32::MAX;

/// NGROUPS_MAX (setgroups(2)).
const MOST_GROUPS: usize = 65_536;

/// Checks a process: of config.json, or of `exec --process`.
pub(super) fn check(report: &mut Report, at: &At<'_>, process: &Process) {
    let args = process.args().as_deref().unwrap_or_default();
    if args.is_empty() {
        report.add(&at.key("args"), "args must not be empty");
    }
    for (index, arg) in args.iter().enumerate() {
        text::check(report, &at.key("args").index(index), arg);
    }
    text::environment(report, &at.key("env"), process.env().as_deref().unwrap_or_default());
    working_directory(report, &at.key("cwd"), process);
    user(report, &at.key("user"), process.user());
    rlimits(report, &at.key("rlimits"), process.rlimits().as_deref().unwrap_or_default());
    if let Some(adjustment) = process.oom_score_adj().filter(|value| !(-1000..=1000).contains(value)) {
        out_of_range(report, &at.key("oomScoreAdj"), adjustment, "-1000 to 1000");
    }
    console_size(report, &at.key("consoleSize"), process);
    for (key, label) in
        [("apparmorProfile", process.apparmor_profile()), ("selinuxLabel", process.selinux_label())]
    {
        text::check(report, &at.key(key), label.as_deref().unwrap_or_default());
    }
    if let Some(wanted) = process.scheduler() {
        scheduler(report, &at.key("scheduler"), wanted);
    }
    if let Some(wanted) = process.io_priority() {
        io_priority(report, &at.key("ioPriority"), wanted);
    }
    if let Some(affinity) = process.exec_cpu_affinity() {
        let at = at.key("execCPUAffinity");
        text::mask(report, &at.key("initial"), affinity.initial().as_deref().unwrap_or_default());
        text::mask(report, &at.key("final"), affinity.cpu_affinity_final().as_deref().unwrap_or_default());
    }
}

fn working_directory(report: &mut Report, at: &At<'_>, process: &Process) {
    let cwd = process.cwd();
    if cwd.as_os_str().is_empty() {
        report.add(at, "cwd property must not be empty");
    } else if !cwd.is_absolute() {
        report.add(at, format!("cwd must be an absolute path, not {}", quote(&cwd.to_string_lossy())));
    }
    text::path(report, at, cwd);
}

fn user(report: &mut Report, at: &At<'_>, user: &User) {
    let additional = user.additional_gids().as_deref().unwrap_or_default();
    let ids = [("uid", user.uid()), ("gid", user.gid())];
    for (key, _) in ids.into_iter().filter(|(_, id)| *id == NO_ID) {
        report.add(&at.key(key), format!("{NO_ID} is no id"));
    }
    if additional.len() > MOST_GROUPS {
        let text = format!("{} groups are too many: at most {MOST_GROUPS}", additional.len());
        report.add(&at.key("additionalGids"), text);
    }
    for (index, _) in additional.iter().enumerate().filter(|(_, gid)| **gid == NO_ID) {
        report.add(&at.key("additionalGids").index(index), format!("{NO_ID} is no id"));
    }
    if let Some(umask) = user.umask().filter(|umask| *umask > 0o777) {
        out_of_range(report, &at.key("umask"), umask, "0 to 511 (octal 777)");
    }
}

fn rlimits(report: &mut Report, at: &At<'_>, limits: &[PosixRlimit]) {
    for (index, limit) in limits.iter().enumerate() {
        if limits.iter().take(index).any(|other| other.typ() == limit.typ()) {
            report.add(&at.index(index).key("type"), format!("{} is there twice", limit.typ()));
        }
        if limit.soft() > limit.hard() {
            let (soft, hard, kind) = (limit.soft(), limit.hard(), limit.typ());
            report.add(
                &at.index(index).key("soft"),
                format!("{soft} of {kind} is above the hard limit {hard}"),
            );
        }
    }
}

/// The size is ignored without a terminal (config.md).
fn console_size(report: &mut Report, at: &At<'_>, process: &Process) {
    let size = process.console_size().filter(|_| process.terminal() == Some(true));
    let sides = size.map(|size| [("height", size.height()), ("width", size.width())]);
    for (key, side) in sides.into_iter().flatten().filter(|(_, side)| *side > u64::from(u16::MAX)) {
        out_of_range(report, &at.key(key), side, "0 to 65535");
    }
}

/// sched(7): which numbers go with which policy.
fn scheduler(report: &mut Report, at: &At<'_>, scheduler: &Scheduler) {
    use LinuxSchedulerPolicy::{SchedBatch, SchedDeadline, SchedFifo, SchedOther, SchedRr};
    let policy = *scheduler.policy();
    let nice = scheduler.nice().unwrap_or_default();
    if nice != 0 && !matches!(policy, SchedOther | SchedBatch) {
        report.add(&at.key("nice"), format!("{policy} has no nice value"));
    } else if !(-20..=19).contains(&nice) {
        out_of_range(report, &at.key("nice"), nice, "-20 to 19");
    }
    let priority = scheduler.priority().unwrap_or_default();
    if matches!(policy, SchedFifo | SchedRr) {
        if !(1..=99).contains(&priority) {
            out_of_range(report, &at.key("priority"), priority, "1 to 99");
        }
    } else if priority != 0 {
        report.add(&at.key("priority"), format!("{policy} has no priority"));
    }
    let times = [
        ("runtime", scheduler.runtime()),
        ("deadline", scheduler.deadline()),
        ("period", scheduler.period()),
    ];
    for (key, _) in
        times.into_iter().filter(|(_, time)| policy != SchedDeadline && time.unwrap_or_default() != 0)
    {
        report.add(&at.key(key), format!("{policy} has no {key}: only SCHED_DEADLINE has"));
    }
}

fn io_priority(report: &mut Report, at: &At<'_>, priority: &LinuxIOPriority) {
    let level = priority.priority();
    if !(0..=7).contains(&level) {
        out_of_range(report, &at.key("priority"), level, "0 to 7");
    } else if level != 0 && priority.class() == IOPriorityClass::IoprioClassIdle {
        report.add(&at.key("priority"), "IOPRIO_CLASS_IDLE has no levels");
    }
}
