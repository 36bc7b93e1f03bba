//! Printing what a command was asked for.

use anyhow::{Context as _, Result};
use serde::Serialize;
use serde_json::ser::{PrettyFormatter, Serializer};
use std::io::{self, Write as _};

/// Writes to stdout, all of it or an error: whoever parses it must not take a part for the whole.
pub fn print(text: &[u8]) -> Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text).and_then(|()| stdout.flush()).context("write to stdout")
}

/// JSON on several lines, with the indentation of runc's command.
pub fn pretty(value: &impl Serialize, indentation: &str) -> Result<Vec<u8>> {
    let mut json = Vec::new();
    let formatter = PrettyFormatter::with_indent(indentation.as_bytes());
    value.serialize(&mut Serializer::with_formatter(&mut json, formatter))?;
    Ok(json)
}
