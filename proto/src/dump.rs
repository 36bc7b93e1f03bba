//! A stream as a hex dump for people: each message and attribute with its offset, its bytes, its name and value.
//!
//! Tolerant, as a dump of what went wrong must be: what can't be read is shown as bytes beside the reason.

use crate::field::{Bool, Bytes, Field, List, Str, Type, U32, U64, Value, Words};
use crate::frame::{ATTRIBUTE_HEADER_LEN, DONE, DecodeError, HEADER_LEN, Message};
use crate::init;
use crate::step::{Fields, TABLE};
use std::fmt::Write;
use std::format;
use std::string::{String, ToString};

/// Bytes of a line.
const WIDTH: usize = 16;
/// Characters of a value that are shown: the bytes beside it hold the rest.
const LONGEST_VALUE: usize = 120;

/// Shows any bytes, line by line: the offset in hex, up to 16 bytes in hex, and on the first line of each header,
/// attribute and payload what it is. Never fails; malformed bytes are shown with what is wrong with them.
pub fn annotate(bytes: &[u8]) -> String {
    let mut dump = Dump { out: String::new(), offset: 0 };
    let mut rest = bytes;
    while !rest.is_empty() {
        match Message::split(rest) {
            Ok((message, after)) => {
                let (taken, _) = split(rest, rest.len().saturating_sub(after.len()));
                dump.message(&message, taken);
                rest = after;
            }
            Err(error) => {
                dump.rows(rest, error.text());
                rest = &[];
            }
        }
    }
    dump.out
}

struct Dump {
    out: String,
    /// Of the next byte, from the beginning of the stream.
    offset: usize,
}

impl Dump {
    /// Shows one message; `taken` are its bytes with header and padding.
    fn message(&mut self, message: &Message<'_>, taken: &[u8]) {
        let (header, body) = split(taken, HEADER_LEN);
        let length = HEADER_LEN.saturating_add(message.payload.len());
        let flags = match message.flags {
            0 => String::new(),
            flags => format!(", flags {flags:#x}"),
        };
        self.rows(header, &format!("{} #{}, {length} bytes{flags}", message_name(message.kind), message.seq));
        match TABLE.iter().find(|row| row.kind == message.kind).map(|row| row.fields) {
            Some(Fields::Bulk(name, kind)) => self.rows(body, &labelled(name, value(kind, message.payload))),
            Some(Fields::Attributes(_)) => self.attributes(message, body),
            None if message.kind == init::INIT => self.attributes(message, body),
            None => self.rows(body, "  payload"),
        }
    }

    /// Shows the attributes of a message; `body` is its payload with padding.
    fn attributes(&mut self, message: &Message<'_>, mut body: &[u8]) {
        for attribute in message.attributes() {
            match attribute {
                Ok((number, payload)) => {
                    let length = ATTRIBUTE_HEADER_LEN.saturating_add(payload.len()).next_multiple_of(4);
                    let (taken, after) = split(body, length);
                    self.rows(taken, &attribute_label(message.kind, number, payload));
                    body = after;
                }
                Err(error) => {
                    self.rows(body, &format!("  {}", error.text()));
                    return;
                }
            }
        }
        self.rows(body, "  padding");
    }

    /// Shows bytes in lines; the label stands on the first. No bytes, no lines.
    fn rows(&mut self, bytes: &[u8], label: &str) {
        let mut label = label;
        for row in bytes.chunks(WIDTH) {
            let hex: String = row.iter().map(|byte| format!("{byte:02x} ")).collect();
            let line = format!("{:08x}  {hex:<48} {label}", self.offset);
            // Writing to a String does not fail.
            let _ = writeln!(self.out, "{}", line.trim_end());
            self.offset = self.offset.saturating_add(row.len());
            label = "";
        }
    }
}

/// `split_at`, where a place beyond the end is the end.
fn split(bytes: &[u8], at: usize) -> (&[u8], &[u8]) {
    bytes.split_at_checked(at).unwrap_or((bytes, &[]))
}

fn message_name(kind: u16) -> String {
    match crate::step::kind_name(kind) {
        Some(name) => name.to_string(),
        None if kind == init::INIT => "INIT".to_string(),
        None if kind == DONE => "NLMSG_DONE".to_string(),
        None => format!("unknown message {kind}"),
    }
}

fn attribute_label(message: u16, number: u16, payload: &[u8]) -> String {
    match attribute_type(message, number) {
        Some((name, kind)) => labelled(name, value(kind, payload)),
        None => format!("  unknown attribute {number}"),
    }
}

fn attribute_type(message: u16, number: u16) -> Option<(&'static str, Type)> {
    if message == init::INIT {
        let kind = match number {
            init::CLONE_FLAGS | init::SETGROUP | init::ROOTLESS_EUID => Type::U32,
            _ => Type::Str,
        };
        return Some((init::attribute_name(number)?, kind));
    }
    let row = TABLE.iter().find(|row| row.kind == message)?;
    let Fields::Attributes(list) = row.fields else { return None };
    list.iter().find(|(n, ..)| *n == number).map(|(_, name, kind)| (*name, *kind))
}

fn labelled(name: &str, value: Result<Value, DecodeError>) -> String {
    let text = match value {
        Ok(value) => shorten(shown(&value)),
        Err(error) => error.text().to_string(),
    };
    format!("  {name} = {text}")
}

fn value(kind: Type, payload: &[u8]) -> Result<Value, DecodeError> {
    fn read<F: Field>(payload: &[u8]) -> Result<Value, DecodeError> {
        F::read(payload).map(|value| F::show(&F::own(value)))
    }
    match kind {
        Type::U32 => read::<U32>(payload),
        Type::U64 => read::<U64>(payload),
        Type::Bool => read::<Bool>(payload),
        Type::Str => read::<Str>(payload),
        Type::List => read::<List>(payload),
        Type::Words => read::<Words>(payload),
        Type::Bytes => read::<Bytes>(payload),
    }
}

/// Numbers from 10 up also in hex, in which flags can be read; strings quoted, so that control characters show.
fn shown(value: &Value) -> String {
    match value {
        Value::Number(number @ 0..10) => format!("{number}"),
        Value::Number(number) => format!("{number} ({number:#x})"),
        Value::Bool(value) => format!("{value}"),
        Value::Text(text) => format!("{text:?}"),
        Value::List(list) => format!("{list:?}"),
        Value::Numbers(list) => format!("{list:?}"),
        Value::Bytes(bytes) => format!("{} bytes", bytes.len()),
    }
}

fn shorten(text: String) -> String {
    match text.char_indices().nth(LONGEST_VALUE) {
        Some((at, _)) => format!("{}...", text.get(..at).unwrap_or_default()),
        None => text,
    }
}
