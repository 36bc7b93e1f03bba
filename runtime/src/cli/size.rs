//! Amounts of memory as `skeg update` takes them.

use std::str::FromStr;

/// A number of bytes; -1 means without limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub i64);

/// Text that is no size.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("not a size in bytes such as 512m: {0}")]
pub struct SizeError(String);

impl FromStr for Size {
    type Err = SizeError;

    /// A number, also with a fraction, with an optional unit of k, m, g, t or p (powers of 1024), upper or lower case,
    /// which `b` or `ib` may follow; or -1.
    fn from_str(text: &str) -> Result<Self, SizeError> {
        let error = || SizeError(text.to_owned());
        if text == "-1" {
            return Ok(Self(-1));
        }
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let shift = match unit.trim_start().to_ascii_lowercase().as_str() {
            "" | "b" => 0,
            "k" | "kb" | "kib" => 10,
            "m" | "mb" | "mib" => 20,
            "g" | "gb" | "gib" => 30,
            "t" | "tb" | "tib" => 40,
            "p" | "pb" | "pib" => 50,
            _ => return Err(error()),
        };
        let bytes = match number.parse::<i64>() {
            Ok(whole) => whole.checked_mul(1 << shift),
            Err(_) => number.parse::<f64>().ok().filter(|_| number.contains('.')).and_then(|number| {
                let bytes = number * (1_u64 << shift) as f64;
                // The largest i64 is no f64; the next one is 2^63.
                (bytes < i64::MAX as f64).then_some(bytes as i64)
            }),
        };
        bytes.map(Self).ok_or_else(error)
    }
}
