//! Text to types. One plain parse when all is well; everything that helps to say what is wrong costs only then.

use std::fs;
use std::io;
use std::path::Path;
use std::str::Utf8Error;

use log::Level;
use nix::errno::Errno;
use oci_spec::runtime::{LinuxResources, Process, Spec};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::{Error, Problem};
use super::path::{At, ROOT, quote, suggestion};
use super::repair;
use super::strict::Strict;

/// Reads `bundle`/config.json. The types hold; whether the values make sense says [`check`](super::check()).
pub fn load(bundle: &Path) -> Result<Spec, Error> {
    parse(&read(bundle)?, Path::new("config.json"))
}

/// Reads the text of `bundle`/config.json.
pub fn read(bundle: &Path) -> Result<Vec<u8>, Error> {
    let name = Path::new("config.json");
    match fs::read(bundle.join(name)) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Error::NotFound(name.into())),
        Err(error) => {
            let errno = Errno::from_raw(error.raw_os_error().unwrap_or_default());
            Err(Error::Read { file: bundle.join(name), errno })
        }
    }
}

/// Reads a config.json out of `text`; `file` is its name in messages.
pub fn parse(text: &[u8], file: &Path) -> Result<Spec, Error> {
    parse_as(text, file)
}

/// Reads the process of `exec --process`.
pub fn parse_process(text: &[u8], file: &Path) -> Result<Process, Error> {
    parse_as(text, file)
}

/// Reads the limits of `update --resources`.
pub fn parse_resources(text: &[u8], file: &Path) -> Result<LinuxResources, Error> {
    parse_as(text, file)
}

/// A kind of document that skeg reads.
trait Document: DeserializeOwned {
    /// Rewrites what runc accepts and `oci_spec` refuses.
    fn repair(document: &mut Value);

    /// Undoes what `oci_spec` makes of a value that is absent, where absence means something else.
    fn settle(&mut self, text: &str);
}

impl Document for Spec {
    fn repair(document: &mut Value) {
        repair::spec(document);
    }

    fn settle(&mut self, text: &str) {
        if let Some(resources) = self.linux_mut().as_mut().and_then(|linux| linux.resources_mut().as_mut()) {
            settle_pids(resources, text, "/linux/resources/pids/limit");
        }
    }
}

impl Document for Process {
    fn repair(document: &mut Value) {
        repair::strip_nulls(document);
        repair::process(document);
    }

    fn settle(&mut self, _: &str) {}
}

impl Document for LinuxResources {
    fn repair(document: &mut Value) {
        repair::strip_nulls(document);
        repair::resources(document);
    }

    fn settle(&mut self, text: &str) {
        settle_pids(self, text, "/pids/limit");
    }
}

/// A limit of 0 is a real limit since spec 1.3, but `"pids": {}` sets none, and `oci_spec` reads both as 0.
fn settle_pids(resources: &mut LinuxResources, text: &str, pointer: &str) {
    if resources.pids().as_ref().is_some_and(|pids| pids.limit() == 0) {
        let document: Value = serde_json::from_str(text).unwrap_or_default();
        if document.pointer(pointer).is_none_or(Value::is_null) {
            resources.set_pids(None);
        }
    }
}

fn parse_as<T: Document>(bytes: &[u8], file: &Path) -> Result<T, Error> {
    // All at once: asking of each string costs more.
    let text = str::from_utf8(bytes).map_err(|error| not_text(bytes, &error, file))?;
    let mut input = serde_json::Deserializer::from_str(text);
    let parsed = T::deserialize(Strict(&mut input)).and_then(|document| input.end().map(|()| document));
    let mut document = match parsed {
        Ok(document) => document,
        Err(error) if error.is_data() => parse_repaired(text, file)?,
        Err(error) => return Err(syntax(&error, file)),
    };
    T::settle(&mut document, text);
    // A second parse, and lines that callers would have to skip: only for those who asked.
    if log::log_enabled!(Level::Debug) {
        warn_of_unknown_properties::<T>(text, file);
    }
    Ok(document)
}

/// The second try: on values, which can be repaired, and with the path of what is still wrong.
fn parse_repaired<T: Document>(text: &str, file: &Path) -> Result<T, Error> {
    let mut value: Value = serde_json::from_str(text).map_err(|error| syntax(&error, file))?;
    T::repair(&mut value);
    serde_path_to_error::deserialize(Strict(&value)).map_err(|error| {
        let path: Vec<_> = error.path().iter().collect();
        Error::Value { file: file.into(), problem: in_words(&path, &error.inner().to_string()) }
    })
}

fn not_text(bytes: &[u8], error: &Utf8Error, file: &Path) -> Error {
    let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
    let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
    let column = 1 + before.iter().rev().take_while(|byte| **byte != b'\n').count();
    Error::Syntax { file: file.into(), line, column, message: "invalid UTF-8".into() }
}

fn syntax(error: &serde_json::Error, file: &Path) -> Error {
    let message = error.to_string();
    let end = message.rfind(" at line ").unwrap_or(message.len());
    Error::Syntax {
        file: file.into(),
        line: error.line(),
        column: error.column(),
        message: message.get(..end).unwrap_or_default().into(),
    }
}

/// A path of serde_path_to_error in ours, then `then` with it.
fn with_path(segments: &[&serde_path_to_error::Segment], at: &At<'_>, then: &mut dyn FnMut(&At<'_>)) {
    use serde_path_to_error::Segment;
    match segments.split_first() {
        None => then(at),
        Some((Segment::Seq { index }, rest)) => with_path(rest, &at.index(*index), then),
        Some((Segment::Map { key }, rest)) => with_path(rest, &at.key(key), then),
        Some((Segment::Enum { .. } | Segment::Unknown, rest)) => with_path(rest, at, then),
    }
}

/// serde's sentence in the words of JSON.
fn in_words(segments: &[&serde_path_to_error::Segment], message: &str) -> Problem {
    let mut problem = Problem { path: String::new(), message: String::new() };
    // Environments hold secrets, and a value of the wrong type would be repeated.
    let is_secret = segments.iter().any(|segment| segment.to_string() == "env");
    with_path(segments, &ROOT, &mut |at| {
        problem = match between_ticks(message, "missing field ") {
            Some(name) => {
                Problem { path: at.key(name).to_string(), message: "required property is missing".into() }
            }
            None if is_secret => {
                Problem { path: at.to_string(), message: "expected an array of strings".into() }
            }
            None => Problem { path: at.to_string(), message: reworded(message) },
        };
    });
    problem
}

fn between_ticks<'m>(message: &'m str, before: &str) -> Option<&'m str> {
    message.strip_prefix(before)?.strip_prefix('`')?.split('`').next()
}

/// serde's names of types, and what people call them.
const TYPES: [(&str, &str); 11] = [
    ("a sequence", "an array"),
    ("a map", "an object"),
    ("struct ", "an object: "),
    ("unit", "null"),
    ("path string", "a string"),
    ("u16", "a number from 0 to 65535"),
    ("u32", "a number from 0 to 4294967295"),
    ("u64", "a number from 0 to 18446744073709551615"),
    ("usize", "a number from 0 to 18446744073709551615"),
    ("i32", "a number from -2147483648 to 2147483647"),
    ("i64", "a number from -9223372036854775808 to 9223372036854775807"),
];

fn reworded(message: &str) -> String {
    if let Some((unknown, expected)) = unknown_variant(message) {
        let names: Vec<&str> = expected.split('`').skip(1).step_by(2).map(repair::spelled).collect();
        let near = suggestion(unknown, names.iter().copied());
        return format!("unknown value {}: expected one of {}{near}", quote(unknown), names.join(", "));
    }
    let Some((found, expected)) = message.rsplit_once(", expected ") else {
        // oci_spec's own sentences begin with a capital.
        let mut rest = message.chars();
        return rest.next().into_iter().flat_map(char::to_lowercase).chain(rest).collect();
    };
    let found =
        found.strip_prefix("invalid type: ").or(found.strip_prefix("invalid value: ")).unwrap_or(found);
    let found = match found.split_once(' ') {
        // The text of a string as we quote it elsewhere: serde would print megabytes.
        Some(("string", text)) => format!("string {}", quote(text.trim_matches('"'))),
        _ if found == "sequence" => "an array".into(),
        _ if found == "map" => "an object".into(),
        _ => found.replace('`', ""),
    };
    let wanted = TYPES.iter().find(|(rust, _)| expected.starts_with(rust));
    let wanted = match wanted {
        Some(("struct ", _)) => "an object",
        Some((_, json)) => json,
        None => expected,
    };
    format!("expected {wanted}, not {found}")
}

fn unknown_variant(message: &str) -> Option<(&str, &str)> {
    message.strip_prefix("unknown variant `")?.rsplit_once("`, expected ")
}

/// Runtimes must ignore properties they don't know (config.md, extensibility); a misspelt one is worth a line.
fn warn_of_unknown_properties<T: Document>(text: &str, file: &Path) {
    for property in unknown_properties::<T>(text) {
        log::warn!("{}: {property}: unknown property, ignored", file.display());
    }
}

fn unknown_properties<T: Document>(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut input = serde_json::Deserializer::from_str(text);
    let parsed = serde_ignored::deserialize::<_, _, T>(&mut input, |path| {
        with_ignored(&path, &mut |at| found.push(at.to_string()));
    });
    // What is wrong with the values was said, or repaired, before.
    drop(parsed);
    found
}

/// A path of serde_ignored in ours, then `then` with it.
fn with_ignored(path: &serde_ignored::Path<'_>, then: &mut dyn FnMut(&At<'_>)) {
    use serde_ignored::Path::{Map, NewtypeStruct, NewtypeVariant, Root, Seq, Some};
    match path {
        Root => then(&ROOT),
        Seq { parent, index } => with_ignored(parent, &mut |at| then(&at.index(*index))),
        Map { parent, key } => with_ignored(parent, &mut |at| then(&at.key(key))),
        Some { parent } | NewtypeStruct { parent } | NewtypeVariant { parent } => with_ignored(parent, then),
    }
}

#[cfg(test)]
mod tests;
