//! A failure's numbers as a sentence: the runtime made the plan, so it knows what the step was about.

use crate::errno::{meaning, words};
use crate::plan::{Plan, Planned};
use nix::errno::Errno;
use skeg_proto::field::Value;
use skeg_proto::step::StepBuf;
use skeg_proto::{DecodeError, Failure, Op, Stage};
use std::collections::BTreeMap;

/// `mounts[3] (/data): set option "sizee=1" of tmpfs: EINVAL: invalid argument`. `output` is what the last hook that
/// nsexec ran has written.
pub fn explain(failure: &Failure, plan: &Plan, output: Option<&str>) -> String {
    let planned = plan.step(failure.step);
    if let Some(program) = missing_program(failure, plan) {
        return program;
    }
    let sentence = sentence(failure, place(failure, plan, planned), &attempt(failure, plan, planned));
    match (failure.op, output) {
        (Op::HookStatus | Op::HookTimeout, Some(output)) => format!("{sentence}, output: {output:?}"),
        _ => sentence,
    }
}

/// The place in config.json: the step's, or a part of it that the operation is about.
fn place<'a>(failure: &Failure, plan: &'a Plan, planned: Option<&'a Planned>) -> &'a str {
    let part = match (failure.stage, failure.op) {
        // Before the steps: what INIT asks for.
        _ if failure.step != 0 => user_part(failure),
        (Stage::Host, Op::Open | Op::Write) => Some("process.oomScoreAdj"),
        (Stage::Clone, Op::Open | Op::Write) => Some("linux.timeOffsets"),
        (Stage::Join, Op::Open | Op::Setns) => plan.joins.get(failure.detail as usize).map(String::as_str),
        _ => None,
    };
    part.or(planned.map(|planned| &*planned.origin)).unwrap_or(failure.stage.text())
}

/// As [`explain`], for `start`, which has no plan: `origins` are those of its steps.
pub fn explain_start(failure: &Failure, origins: &BTreeMap<u32, String>) -> String {
    let step = origins.get(&failure.step).map_or(failure.stage.text(), String::as_str);
    let origin = user_part(failure).unwrap_or(step);
    let attempt = hook_attempt(failure, origin).unwrap_or_else(|| failure.op.text().to_owned());
    sentence(failure, origin, &attempt)
}

fn sentence(failure: &Failure, origin: &str, attempt: &str) -> String {
    match reason(failure) {
        Some(reason) => format!("{origin}: {attempt}: {reason}"),
        None => format!("{origin}: {attempt}"),
    }
}

/// The part of `process.user` that a step has failed on.
fn user_part(failure: &Failure) -> Option<&'static str> {
    match failure.op {
        // In a user namespace that it joins, the process becomes root first.
        _ if failure.stage == Stage::Join => None,
        Op::Setuid => Some("process.user.uid"),
        Op::Setgid => Some("process.user.gid"),
        Op::Setgroups => Some("process.user.additionalGids"),
        _ => None,
    }
}

/// What was attempted, and on what.
fn attempt(failure: &Failure, plan: &Plan, planned: Option<&Planned>) -> String {
    let op = failure.op.text();
    let field = |name: &str| planned.and_then(|p| text_field(&p.step, name));
    match failure.op {
        Op::Fsconfig => {
            let option = planned.and_then(|p| option(&p.step, failure.detail)).unwrap_or_default();
            format!("set option {option:?} of {}", field("fstype").unwrap_or_default())
        }
        Op::Fsopen | Op::FsCreate | Op::Fsmount => {
            format!("mount {}", field("fstype").unwrap_or_else(|| "a file system".to_owned()))
        }
        Op::MoveMount => {
            let what = field("fstype").or_else(|| field("source")).or_else(|| field("path"));
            format!("attach {}", what.unwrap_or_default()).trim_end().to_owned()
        }
        Op::OpenSource => {
            format!("open source {}", field("source").or_else(|| field("path")).unwrap_or_default())
        }
        Op::Setns => format!("join {}", joined(plan, failure.detail)),
        Op::Open if failure.stage == Stage::Join => format!("open {}", joined(plan, failure.detail)),
        Op::HookStatus | Op::HookTimeout => {
            hook_attempt(failure, planned.map_or("", |p| &p.origin)).unwrap_or_default()
        }
        Op::Write => match field("value") {
            Some(value) => format!("write {value:?}"),
            None => op.to_owned(),
        },
        _ => op.to_owned(),
    }
}

/// Why it failed.
fn reason(failure: &Failure) -> Option<String> {
    match failure.op {
        Op::Decode => DecodeError::from_code(failure.detail).map(|error| error.text().to_owned()),
        Op::HookStatus | Op::HookTimeout => None,
        _ if failure.errno == 0 => None,
        _ => Some(words(Errno::from_raw(i32::try_from(failure.errno).unwrap_or(0)))),
    }
}

/// The sentences that callers match for a program that can't be run.
fn missing_program(failure: &Failure, plan: &Plan) -> Option<String> {
    if failure.op != Op::Lookup {
        return None;
    }
    let program = plan.steps.iter().find_map(|p| match &p.step {
        StepBuf::Argv { args, .. } => args.first().map(|a| a.to_string_lossy().into_owned()),
        _ => None,
    })?;
    let errno = Errno::from_raw(i32::try_from(failure.errno).unwrap_or(0));
    Some(match errno {
        // A directory of that name is no program, either, and none can have a name that is too long.
        Errno::ENOENT | Errno::EISDIR | Errno::ENAMETOOLONG if !program.contains('/') => {
            format!("exec: {program:?}: executable file not found in $PATH")
        }
        Errno::ENOENT | Errno::ENOTDIR => format!("exec: {program:?}: stat {program}: {}", meaning(errno)),
        _ => format!("exec: {program:?}: {}", meaning(errno)),
    })
}

/// The namespace of INIT's list, or of a process.
fn joined(plan: &Plan, position: u32) -> String {
    let paths = plan.init.ns_paths.as_ref().map(|p| p.to_string_lossy().into_owned()).unwrap_or_default();
    let entry = paths.split(',').nth(position as usize).filter(|e| !e.is_empty());
    match entry.and_then(|e| e.split_once(':')) {
        Some((kind, path)) => format!("the {kind} namespace {path}"),
        None => "the container's namespaces".to_owned(),
    }
}

/// How a hook that was started has failed.
fn hook_attempt(failure: &Failure, origin: &str) -> Option<String> {
    let how = match failure.op {
        Op::HookStatus => status_words(failure.detail),
        Op::HookTimeout => "it did not end in time and was killed".to_owned(),
        _ => return None,
    };
    Some(format!("{}: {how}", hook_words(origin)))
}

/// runc's words for a hook: `error running createContainer hook #0`.
fn hook_words(origin: &str) -> String {
    let place = origin.strip_prefix("hooks.").and_then(|rest| rest.split(']').next());
    match place.and_then(|p| p.split_once('[')) {
        Some((name, index)) => format!("error running {name} hook #{index}"),
        None => "error running hook".to_owned(),
    }
}

fn status_words(status: u32) -> String {
    let status = status as i32;
    match nix::libc::WIFEXITED(status) {
        true => format!("exit status {}", nix::libc::WEXITSTATUS(status)),
        false => format!("signal {}", nix::libc::WTERMSIG(status)),
    }
}

fn text_field(step: &StepBuf, name: &str) -> Option<String> {
    step.fields().into_iter().find_map(|(field, value)| match value {
        Value::Text(text) if field == name => Some(text),
        _ => None,
    })
}

fn option(step: &StepBuf, position: u32) -> Option<String> {
    match step {
        StepBuf::Filesystem { options, .. } => {
            options.get(position as usize).map(|o| o.to_string_lossy().into_owned())
        }
        _ => None,
    }
}
