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

    /// A number with an optional unit of k, m, g, t or p (powers of 1024), upper or lower case, which `b` or `ib` may
    /// follow; or -1.
    fn from_str(text: &str) -> Result<Self, SizeError> {
        let error = || SizeError(text.to_owned());
        if text == "-1" {
            return Ok(Self(-1));
        }
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let number: i64 = number.parse().map_err(|_| error())?;
        let shift = match unit.trim_start().to_ascii_lowercase().as_str() {
            "" | "b" => 0,
            "k" | "kb" | "kib" => 10,
            "m" | "mb" | "mib" => 20,
            "g" | "gb" | "gib" => 30,
            "t" | "tb" | "tib" => 40,
            "p" | "pb" | "pib" => 50,
            _ => return Err(error()),
        };
        number.checked_mul(1 << shift).map(Self).ok_or_else(error)
    }
}
