//! Text to types. One plain parse when all is well; everything that helps to say what is wrong costs only then.

use std::cell::Cell;
use std::fs;
use std::io;
use std::path::Path;
use std::str::Utf8Error;

use nix::errno::Errno;
use oci_spec::runtime::{LinuxNamespace, LinuxNamespaceType, LinuxResources, Process, Spec};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::check::{self, Context};
use super::error::{Error, Report};
use super::strict::Strict;
use super::{repair, second, words};

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
pub(super) trait Document: DeserializeOwned {
    /// Rewrites what runc accepts and `oci_spec` refuses.
    fn repair(document: &mut Value);

    /// Undoes what `oci_spec` makes of a value that is absent, where absence means something else.
    fn settle(&mut self, text: &str);

    /// Checks what could be read of a document with mistakes. `namespaces_unknown`: those that it lists are not all.
    fn check(&mut self, report: &mut Report, namespaces_unknown: bool);
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

    fn check(&mut self, report: &mut Report, namespaces_unknown: bool) {
        if namespaces_unknown {
            add_all_namespaces(self);
        }
        check::whole(report, self, Context::GENEROUS);
    }
}

impl Document for Process {
    fn repair(document: &mut Value) {
        repair::strip_nulls(document);
        repair::process(document);
    }

    fn settle(&mut self, _: &str) {}

    fn check(&mut self, report: &mut Report, _: bool) {
        check::process_alone(report, self, Context::GENEROUS);
    }
}

impl Document for LinuxResources {
    fn repair(document: &mut Value) {
        repair::strip_nulls(document);
        repair::resources(document);
    }

    fn settle(&mut self, text: &str) {
        settle_pids(self, text, "/pids/limit");
    }

    fn check(&mut self, report: &mut Report, _: bool) {
        check::resources_alone(report, self);
    }
}

/// Gives a container every namespace that it doesn't list, so that nothing is said to lack one.
fn add_all_namespaces(spec: &mut Spec) {
    let listed = spec.linux_mut().get_or_insert_default().namespaces_mut().get_or_insert_default();
    for (name, kind) in words::values::<LinuxNamespaceType>() {
        if listed.iter().all(|namespace| namespace.typ() != kind) {
            let mut namespace = LinuxNamespace::default();
            namespace.set_typ(kind);
            if kind == LinuxNamespaceType::User {
                // A new one would need mappings.
                namespace.set_path(Some(Path::new("/proc/self/ns").join(name)));
            }
            listed.push(namespace);
        }
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
    let ignored = Cell::new(false);
    let mut input = serde_json::Deserializer::from_str(text);
    let parsed =
        T::deserialize(Strict(&mut input, &ignored)).and_then(|document| input.end().map(|()| document));
    let mut document = match parsed {
        Ok(document) if !ignored.get() || !log::log_enabled!(log::Level::Debug) => document,
        // It tells which.
        Ok(_) => second::parse(text, file)?,
        Err(error) if error.is_data() => second::parse(text, file)?,
        Err(error) => return Err(syntax(&error, text, file)),
    };
    T::settle(&mut document, text);
    Ok(document)
}

fn not_text(bytes: &[u8], error: &Utf8Error, file: &Path) -> Error {
    let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
    let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
    let column = 1 + before.iter().rev().take_while(|byte| **byte != b'\n').count();
    Error::Syntax { file: file.into(), line, column, message: "invalid UTF-8".into() }
}

/// serde_json's error about `text`, which is no JSON.
pub(super) fn syntax(error: &serde_json::Error, text: &str, file: &Path) -> Error {
    let message = error.to_string();
    let end = message.rfind(" at line ").unwrap_or(message.len());
    let message = match text {
        _ if text.trim().is_empty() => "the file is empty",
        _ if text.starts_with('\u{feff}') => {
            "the file starts with a byte order mark, which JSON does not allow"
        }
        _ => message.get(..end).unwrap_or_default(),
    };
    let (line, column) = (error.line(), error.column().max(1));
    Error::Syntax { file: file.into(), line, column, message: message.into() }
}

#[cfg(test)]
mod tests;
