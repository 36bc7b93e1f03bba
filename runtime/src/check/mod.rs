//! What stands in a bundle's way: every mistake of its config, and what this host lacks for it. Nothing is changed,
//! and no privilege is needed.
//!
//! - `mod`: the mistakes that create would report, as data
//! - `host`: what only this host can tell

mod host;

use crate::cgroup::Layout;
use crate::config::{self, Error};
use crate::errno::words;
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
    /// Nobody's: what is asked for has no effect.
    Ignored,
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
            Kind::Ignored => "note",
        };
        match self.path.as_str() {
            "" => write!(f, "{kind}: {}", self.message),
            path => write!(f, "{kind}: {path}: {}", self.message),
        }
    }
}

/// What there is to say of a bundle.
#[derive(Debug, Default)]
pub struct Report {
    /// What stands in its way on this host; none: it can be expected to start.
    pub problems: Vec<Problem>,
    /// What it asks for without effect.
    pub notes: Vec<Problem>,
}

/// Looks at a bundle. `rootless` is the answer to `--rootless`, None for auto.
pub fn bundle(bundle: &Path, rootless: Option<bool>) -> Report {
    let mut report = Report::default();
    if let Err(errno) = crate::sys::real_path(bundle) {
        let message = format!("open bundle {}: {}", bundle.display(), words(errno));
        report.problems.push(Problem { kind: Kind::Host, path: String::new(), message });
        return report;
    }
    let read = config::read(bundle);
    report.notes = read.iter().flat_map(|text| config::notes(text)).map(Problem::ignored).collect();
    match read.and_then(|text| config::parse(&text, Path::new("config.json"))) {
        Err(error) => report.problems = unreadable(error),
        Ok(spec) => {
            report.problems = mistakes(bundle, &spec, rootless);
            host::look(&mut report, bundle, &spec);
        }
    }
    let Report { problems, notes } = &mut report;
    notes.retain(|note| problems.iter().all(|problem| problem.path != note.path));
    report
}

fn unreadable(error: Error) -> Vec<Problem> {
    let (path, message) = match error {
        Error::Values(errors) => return errors.problems().iter().map(mistake).collect(),
        Error::Syntax { line, column, message, .. } => (format!("line {line} column {column}"), message),
        other => (String::new(), other.to_string()),
    };
    vec![Problem { kind: Kind::Config, path, message }]
}

impl Problem {
    fn ignored(problem: config::Problem) -> Self {
        Self { kind: Kind::Ignored, path: problem.path, message: problem.message }
    }
}

fn mistake(problem: &config::Problem) -> Problem {
    let config::Problem { path, message } = problem.clone();
    Problem { kind: Kind::Config, path, message }
}

/// What create would say.
fn mistakes(bundle: &Path, spec: &Spec, rootless: Option<bool>) -> Vec<Problem> {
    let facts = Facts::gather(rootless, Layout::None);
    if let Err(errors) = config::check(spec, facts.context_of(spec)) {
        return errors.problems().iter().map(mistake).collect();
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
