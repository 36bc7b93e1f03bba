//! The result as a table for people and as JSON for programs.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::contestant::Contestant;
use crate::measure::{Measure, PROFILE_ADDS};
use crate::stats::Summary;

/// All measures on one cgroup layout.
pub struct View {
    /// The layout, in words.
    pub name: &'static str,
    /// In the order measured.
    pub measures: Vec<Measure>,
}

/// The bars of the project's first issue: measure, against whom, at most.
const BARS: [(&str, &str, f64); 3] =
    [("run /bin/true", "crun", 0.5), ("run /bin/true", "floor", 1.6), ("exec /bin/true", "crun", 0.5)];

/// What Docker's seccomp profile may add to a start, in milliseconds.
const PROFILE_BAR: f64 = 0.3;

/// Whom skeg's median is divided by, in the order of the columns.
const AGAINST: [&str; 4] = ["crun", "runc", "floor", "empty"];

impl Measure {
    /// One contestant's numbers.
    pub fn of(&self, contestant: &str) -> Option<&Summary> {
        self.results.iter().find(|(name, _)| *name == contestant).map(|(_, summary)| summary)
    }

    /// How many times the other's median a contestant's median is.
    pub fn ratio(&self, contestant: &str, other: &str) -> Option<f64> {
        Some(self.of(contestant)?.median_us? / self.of(other)?.median_us?)
    }
}

/// The tables of all views, the failures, and how skeg stands against its bars.
pub fn table(views: &[View], contestants: &[Contestant]) -> String {
    let mut text = String::new();
    for view in views {
        let present: Vec<&str> = contestants
            .iter()
            .map(|contestant| contestant.name)
            .filter(|name| view.measures.iter().any(|measure| measure.of(name).is_some()))
            .collect();
        let against: Vec<&str> = if present.contains(&"skeg") {
            AGAINST.into_iter().filter(|name| present.contains(name)).collect()
        } else {
            Vec::new()
        };
        let _ = writeln!(text, "\n{}: median ms (p90)", view.name);
        let _ = write!(text, "{:<36}", "");
        for name in &present {
            let _ = write!(text, "{name:>17}");
        }
        for name in &against {
            let _ = write!(text, "{:>12}", format!("skeg/{name}"));
        }
        text.push('\n');
        for measure in &view.measures {
            let _ = write!(text, "{:<36}", measure.name);
            for name in &present {
                let _ = write!(text, "{:>17}", cell(measure.of(name)));
            }
            for name in &against {
                let ratio = measure.ratio("skeg", name).map_or("-".into(), |ratio| format!("{ratio:.2}"));
                let _ = write!(text, "{ratio:>12}");
            }
            text.push('\n');
        }
    }
    text + &failures(views) + &bars(views)
}

fn cell(summary: Option<&Summary>) -> String {
    match summary {
        None => "-".into(),
        Some(Summary { median_us: Some(median), p90_us: Some(p90), failures, .. }) => {
            let mark = if *failures > 0 { "!" } else { "" };
            format!("{mark}{:.2} ({:.2})", median / 1e3, p90 / 1e3)
        }
        Some(_) => "failed".into(),
    }
}

/// Every reason once, with all measures it spoiled.
fn failures(views: &[View]) -> String {
    let mut reasons: Vec<(String, Vec<String>)> = Vec::new();
    for view in views {
        for measure in &view.measures {
            for (name, summary) in &measure.results {
                let Some(reason) = &summary.first_failure else { continue };
                let (what, rounds) = (measure.name.trim(), summary.runs + summary.failures);
                let place = format!("{what} ({} of {rounds} rounds)", summary.failures);
                let line = format!("{}: {name}: {reason}", view.name);
                match reasons.iter_mut().find(|(known, _)| *known == line) {
                    Some((_, places)) => places.push(place),
                    None => reasons.push((line, vec![place])),
                }
            }
        }
    }
    let mut text = String::new();
    for (reason, places) in reasons {
        let _ = writeln!(text, "{reason}\n    failed: {}", places.join(", "));
    }
    if text.is_empty() { text } else { format!("\nFailures\n{text}") }
}

fn bars(views: &[View]) -> String {
    let mut text = String::new();
    for view in views {
        for (name, other, bar) in BARS {
            let measure = view.measures.iter().find(|measure| measure.name == name);
            if let Some(ratio) = measure.and_then(|measure| measure.ratio("skeg", other)) {
                let verdict = if ratio <= bar { "met" } else { "missed" };
                let _ = writeln!(text, "{}: {name} vs {other}: {ratio:.2}, bar {bar}: {verdict}", view.name);
            }
        }
        let added: Vec<(&str, f64)> = profile_adds(view);
        if let Some((_, skeg)) = added.iter().find(|(name, _)| *name == "skeg") {
            let all: Vec<String> = added.iter().map(|(name, ms)| format!("{name} {ms:.2}")).collect();
            let verdict = if *skeg <= PROFILE_BAR { "met" } else { "missed" };
            let all = all.join(", ");
            let _ = writeln!(
                text,
                "{}: Docker's profile adds ms: {all}; bar {PROFILE_BAR}: {verdict}",
                view.name
            );
        }
    }
    if text.is_empty() { text } else { format!("\nBars\n{text}") }
}

/// By contestant, in milliseconds.
fn profile_adds(view: &View) -> Vec<(&'static str, f64)> {
    let measure = view.measures.iter().find(|measure| measure.name == PROFILE_ADDS);
    let results = measure.into_iter().flat_map(|measure| &measure.results);
    results.filter_map(|(name, added)| Some((*name, added.median_us? / 1e3))).collect()
}

/// Everything measured; times in microseconds.
pub fn json(views: &[View], contestants: &[Contestant], machine: &Value) -> Value {
    let contestants: Vec<Value> = contestants
        .iter()
        .map(|contestant| {
            json!({ "name": contestant.name, "version": contestant.version, "program": contestant.program })
        })
        .collect();
    let views: Vec<Value> = views
        .iter()
        .map(|view| {
            let measures: Vec<Value> = view
                .measures
                .iter()
                .map(|measure| {
                    let results: Vec<Value> = measure
                        .results
                        .iter()
                        .map(|(name, summary)| json!({ "contestant": name, "result": summary }))
                        .collect();
                    json!({ "name": measure.name, "results": results })
                })
                .collect();
            json!({ "name": view.name, "measures": measures })
        })
        .collect();
    json!({ "machine": machine, "contestants": contestants, "views": views })
}
