//! Printing what a command was asked for.

use crate::errno::io_words;
use anyhow::{Result, anyhow};
use serde::Serialize;
use serde_json::ser::{PrettyFormatter, Serializer};
use std::io::{self, Write as _};

/// Writes to stdout, all of it or an error: whoever parses it must not take a part for the whole.
pub fn print(text: &[u8]) -> Result<()> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(text).and_then(|()| stdout.flush());
    written.map_err(|error| anyhow!("write to stdout: {}", io_words(&error)))
}

/// JSON on several lines, with the indentation of runc's command.
pub fn pretty(value: &impl Serialize, indentation: &str) -> Result<Vec<u8>> {
    let mut json = Vec::new();
    let formatter = PrettyFormatter::with_indent(indentation.as_bytes());
    value.serialize(&mut Serializer::with_formatter(&mut json, formatter))?;
    Ok(json)
}
