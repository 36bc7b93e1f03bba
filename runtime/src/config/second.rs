//! The second try, on JSON values: what runc accepts and `oci_spec` refuses is repaired; and no mistake hides another
//! one. A value that can't be read is told, something that can be read takes its place, and all is read again. What
//! is checked then is said as well, but for what only follows from a mistake that was told already.

use std::cell::RefCell;
use std::path::Path;

use log::Level;
use oci_spec::runtime::Spec;
use serde_json::{Value, json};

use super::error::{Error, Errors, Problem, Report};
use super::known::{Ignored, Reader};
use super::load::{Document, syntax};
use super::path::{Place, Step};
use super::{repair, twice, wording};

/// Each attempt reads the whole document: of a longer one only the first mistake is told.
const LONGEST: usize = 1 << 20;
const MOST_ATTEMPTS: usize = 200;

/// Reads a document of which a plain parse has not made what was meant.
pub(super) fn parse<T: Document>(text: &str, file: &Path) -> Result<T, Error> {
    let mut value: Value = serde_json::from_str(text).map_err(|error| syntax(&error, text, file))?;
    T::repair(&mut value);
    let mut findings = Findings::default();
    let attempts = if text.len() > LONGEST { 1 } else { MOST_ATTEMPTS };
    match findings.read::<T>(&mut value, attempts) {
        Some(document) if findings.problems.is_empty() => {
            findings.warn(file);
            return Ok(document);
        }
        Some(mut document) => findings.check(&mut document),
        None => {}
    }
    Err(Error::Values(Errors::new(file, findings.problems)))
}

/// What of a config.json has no effect: properties that nobody knows, and all but the last of those that are there twice.
pub fn notes(text: &[u8]) -> Vec<Problem> {
    let Ok(mut value) = serde_json::from_slice(text) else { return Vec::new() };
    repair::spec(&mut value);
    let mut findings = Findings::default();
    // What is wrong with the values is told by `parse`.
    let _ = findings.read::<Spec>(&mut value, if text.len() > LONGEST { 1 } else { MOST_ATTEMPTS });
    let unknown = findings
        .ignored
        .into_iter()
        .map(|property| Problem { path: property.place.to_string(), message: property.message() });
    unknown.chain(twice::properties(text)).collect()
}

/// What came to light on the way to a document.
#[derive(Default)]
struct Findings {
    problems: Vec<Problem>,
    /// Unknown properties.
    ignored: Vec<Ignored>,
    /// Where something else has taken the place of what was there.
    replaced: Vec<String>,
    /// Elements that were taken out: their array, and the index that they had then.
    removed: Vec<(String, usize)>,
}

/// Parts of a configuration that are checked against each other: a mistake in the first says nothing about the second.
const DEPENDENT: [(&str, &str); 3] = [
    ("linux.uidMappings", "process.user"),
    ("linux.gidMappings", "process.user"),
    ("linux.seccomp", "linux.seccomp"),
];

impl Findings {
    /// Reads `document`, which is changed until it can be read. None: that took too many attempts.
    fn read<T: Document>(&mut self, document: &mut Value, attempts: usize) -> Option<T> {
        let mut trial: Option<Trial> = None;
        for _ in 0..attempts {
            let ignored = RefCell::default();
            let outcome = serde_path_to_error::deserialize(Reader::new(document, &ignored));
            self.ignored = ignored.into_inner();
            let error = match outcome {
                Ok(document) => return Some(document),
                Err(error) => error,
            };
            let (place, message) = wording::in_words(&error);
            let mut current = match trial.take().filter(|trial| trial.is_about(&place)) {
                Some(trial) => trial,
                None => self.begin(place, message, &error.inner().to_string()),
            };
            trial = self.replace(&mut current, document)?.then_some(current);
        }
        None
    }

    fn add(&mut self, place: &Place, message: String) {
        let path = self.original(place.to_string());
        self.problems.push(Problem { path, message });
    }

    /// Tells a mistake, and how it can be got over.
    fn begin(&mut self, mut place: Place, message: String, error: &str) -> Trial {
        self.add(&place, message);
        let trial = Trial::new(place.clone(), error);
        // A word that stands in for an unknown one may not go with what is beside it.
        if wording::first_expected(error).is_some() {
            place.0.pop();
        }
        self.replaced.push(self.original(place.to_string()));
        trial
    }

    /// Puts the next of the stand-ins into its place. False: it was the last one. None: there is nothing to replace.
    fn replace(&mut self, trial: &mut Trial, document: &mut Value) -> Option<bool> {
        loop {
            let Some(stand_in) = trial.stand_ins.next() else {
                trial.place.0.pop()?;
                self.replaced.push(self.original(trial.place.to_string()));
                trial.stand_ins = vec![None].into_iter();
                continue;
            };
            let (last, parent) = trial.place.0.split_last()?;
            match (at(document, parent)?, last, stand_in) {
                (Value::Object(members), Step::Key(name), Some(value)) => {
                    members.insert(name.clone(), value);
                }
                (Value::Object(members), Step::Key(name), None) => drop(members.remove(name)),
                (Value::Array(elements), Step::Index(index), Some(value)) => {
                    *elements.get_mut(*index)? = value;
                }
                (Value::Array(elements), Step::Index(index), None) if *index < elements.len() => {
                    elements.remove(*index);
                    self.removed.push((Place(parent.to_vec()).to_string(), *index));
                    return Some(false);
                }
                _ => return None,
            }
            return Some(true);
        }
    }

    /// A path in what is left of the document as it was in the file.
    fn original(&self, path: String) -> String {
        self.removed.iter().rev().fold(path, |path, (array, removed)| {
            let rest = path.strip_prefix(array.as_str()).and_then(|rest| rest.strip_prefix('['));
            let index = rest.and_then(|rest| rest.split_once(']'));
            match index.and_then(|(index, rest)| Some((index.parse::<usize>().ok()?, rest))) {
                Some((index, rest)) if index >= *removed => format!("{array}[{}]{rest}", index + 1),
                _ => path,
            }
        })
    }

    /// Adds what is wrong with what was read.
    fn check<T: Document>(&mut self, document: &mut T) {
        let mut report = Report::default();
        let in_namespaces = |path: &String| path == "linux" || path.starts_with("linux.namespaces");
        document.check(&mut report, self.replaced.iter().any(in_namespaces));
        for Problem { path, message } in report.problems() {
            let path = self.original(path);
            let is_second = message.ends_with("is there twice") && self.has_stand_in(&path);
            if !is_second && !self.follows(&path) {
                self.problems.push(Problem { path, message });
            }
        }
    }

    /// Whether what is said of `path` comes from what has been replaced.
    fn follows(&self, path: &str) -> bool {
        self.replaced.iter().any(|replaced| {
            let depends = |(on, what): &(&str, &str)| is_in(replaced, on) && is_in(path, what);
            is_in(path, replaced) || is_in(replaced, path) || DEPENDENT.iter().any(depends)
        })
    }

    /// Whether the first of two of a kind may be a stand-in.
    fn has_stand_in(&self, path: &str) -> bool {
        let array = path.split('[').next().unwrap_or_default();
        self.replaced.iter().any(|replaced| is_in(replaced, array))
    }

    /// Runtimes must ignore properties they don't know (config.md, extensibility); a misspelt one is worth a line, for
    /// those who asked for more lines.
    fn warn(&self, file: &Path) {
        if log::log_enabled!(Level::Debug) {
            for property in &self.ignored {
                log::warn!("{}: {}: {}", file.display(), property.place, property.message());
            }
        }
    }
}

/// Whether a path is that of a value or of a part of it.
fn is_in(path: &str, whole: &str) -> bool {
    path.strip_prefix(whole).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

fn at<'v>(document: &'v mut Value, steps: &[Step]) -> Option<&'v mut Value> {
    steps.iter().try_fold(document, |value, step| match step {
        Step::Key(name) => value.get_mut(name),
        Step::Index(index) => value.get_mut(index),
    })
}

/// Attempts to have something readable in the place of what is not.
struct Trial {
    place: Place,
    /// None: nothing at all.
    stand_ins: std::vec::IntoIter<Option<Value>>,
}

impl Trial {
    fn new(place: Place, error: &str) -> Self {
        let mut stand_ins: Vec<_> =
            wording::first_expected(error).map(|word| Some(word.into())).into_iter().collect();
        let (is_member, count) = (matches!(place.0.last(), Some(Step::Key(_))), stand_ins.len());
        stand_ins.extend([json!("/"), json!(0), json!(false), json!([]), json!({})].map(Some));
        // Most properties may be absent; an element must not, or those behind it get other numbers.
        stand_ins.insert(if is_member { count } else { stand_ins.len() }, None);
        Self { place, stand_ins: stand_ins.into_iter() }
    }

    /// Whether the place is that of this trial or in it.
    fn is_about(&self, place: &Place) -> bool {
        place.0.starts_with(&self.place.0)
    }
}
