//! What stands in a bundle's way: every mistake of its config, and what this host lacks for it. Nothing is changed,
//! and no privilege is needed.
//!
//! - `mod`: the mistakes that create would report, as data
//! - `host`: what only this host can tell

mod host;

use crate::cgroup::Layout;
use crate::config::{self, Error};
use crate::facts::Facts;
use crate::lifecycle::create::dry_plan;
use crate::lifecycle::filter;
use oci_spec::runtime::Spec;
use serde::Serialize;
use std::fmt;
use std::path::Path;

/// Whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The config's: it would be refused everywhere.
    Config,
    /// This host's: elsewhere the same bundle may start.
    Host,
}

/// One thing in the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Whose fault it is.
    pub kind: Kind,
    /// The place in config.json, or line and column where it isn't JSON; empty for the bundle as a whole.
    pub path: String,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Config => "config.json",
            Kind::Host => "host",
        };
        match self.path.as_str() {
            "" => write!(f, "{kind}: {}", self.message),
            path => write!(f, "{kind}: {path}: {}", self.message),
        }
    }
}

/// Everything that stands in the way of the bundle on this host; none: it can be expected to start. `rootless` is the
/// answer to `--rootless`, None for auto.
pub fn bundle(bundle: &Path, rootless: Option<bool>) -> Vec<Problem> {
    let spec = match config::load(bundle) {
        Ok(spec) => spec,
        Err(error) => return vec![unreadable(error)],
    };
    let mut problems = mistakes(bundle, &spec, rootless);
    problems.extend(host::problems(bundle, &spec));
    problems
}

fn unreadable(error: Error) -> Problem {
    let (path, message) = match error {
        Error::Syntax { line, column, message, .. } => (format!("line {line} column {column}"), message),
        Error::Value { problem, .. } => (problem.path, problem.message),
        other => (String::new(), other.to_string()),
    };
    Problem { kind: Kind::Config, path, message }
}

/// What create would say.
fn mistakes(bundle: &Path, spec: &Spec, rootless: Option<bool>) -> Vec<Problem> {
    let facts = Facts::gather(rootless, Layout::None);
    if let Err(errors) = config::check(spec, facts.context_of(spec)) {
        let problem = |problem: &config::Problem| Problem {
            kind: Kind::Config,
            path: problem.path.clone(),
            message: problem.message.clone(),
        };
        return errors.problems().iter().map(problem).collect();
    }
    // What the checks have let through may still have no filter or no plan.
    let outcome = filter::compile(spec).and_then(|_| dry_plan(bundle, rootless));
    outcome.err().map(|error| sentence(&error.to_string())).into_iter().collect()
}

/// `linux.seccomp.flags: not a flag`: the place, and what is wrong.
fn sentence(text: &str) -> Problem {
    let (path, message) = text.split_once(": ").unwrap_or(("", text));
    Problem { kind: Kind::Config, path: path.to_owned(), message: message.to_owned() }
}
