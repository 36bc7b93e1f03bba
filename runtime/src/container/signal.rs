//! Signals as callers name them.

use std::str::FromStr;

/// A signal's number: 1 to 64, or 0, which only asks whether the process is there (kill(2)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signal(pub i32);

/// Text that names no signal.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("unknown signal {0:?}")]
pub struct SignalError(String);

impl Signal {
    /// Ends a process without asking it.
    pub const KILL: Self = Self(libc::SIGKILL);
    /// Asks a process to end: what `kill` sends when no signal is named.
    pub const TERM: Self = Self(libc::SIGTERM);
}

/// The first and the last realtime signal as every libc has them: the kernel's first two are taken by threads.
const RTMIN: i32 = 34;
const RTMAX: i32 = 64;

impl FromStr for Signal {
    type Err = SignalError;

    /// `15`, `TERM`, `SIGTERM`, `sigterm`, `RTMIN+3`, `SIGRTMAX-1`.
    fn from_str(text: &str) -> Result<Self, SignalError> {
        let error = || SignalError(text.to_owned());
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            return text
                .parse()
                .ok()
                .filter(|number| (0..=RTMAX).contains(number))
                .map(Self)
                .ok_or_else(error);
        }
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        standard(name).or_else(|| realtime(name)).map(Self).ok_or_else(error)
    }
}

fn standard(name: &str) -> Option<i32> {
    let name = match name {
        "CLD" => "CHLD",
        "IOT" => "ABRT",
        "POLL" => "IO",
        other => other,
    };
    nix::sys::signal::Signal::from_str(&format!("SIG{name}")).ok().map(|signal| signal as i32)
}

fn realtime(name: &str) -> Option<i32> {
    let number = if let Some(offset) = name.strip_prefix("RTMIN") {
        RTMIN + distance(offset, '+')?
    } else {
        RTMAX - distance(name.strip_prefix("RTMAX")?, '-')?
    };
    (RTMIN..=RTMAX).contains(&number).then_some(number)
}

/// Reads nothing as 0, else the sign and a number.
fn distance(text: &str, sign: char) -> Option<i32> {
    if text.is_empty() {
        return Some(0);
    }
    let digits = text.strip_prefix(sign)?;
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse::<u8>().ok().filter(|_| is_number).map(i32::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_signal_is_known() {
        for (text, number) in [
            ("9", 9),
            ("0", 0),
            ("64", 64),
            ("KILL", 9),
            ("SIGKILL", 9),
            ("sigkill", 9),
            ("SigTerm", 15),
            ("cld", 17),
            ("SIGPOLL", 29),
            ("IOT", 6),
            ("RTMIN", 34),
            ("SIGRTMIN+3", 37),
            ("rtmax-1", 63),
            ("RTMAX", 64),
        ] {
            assert_eq!(text.parse(), Ok(Signal(number)), "{text}");
        }
    }

    #[test]
    fn other_words_are_unknown_signals() {
        for text in
            ["", "FOO", "65", "-9", "99999999999", "9x", "RTMIN-1", "RTMIN+31", "RTMAX+1", "RTMIN++1", "SIG"]
        {
            assert_eq!(text.parse::<Signal>(), Err(SignalError(text.to_owned())), "{text}");
        }
        assert_eq!("FOO".parse::<Signal>().unwrap_err().to_string(), r#"unknown signal "FOO""#);
    }
}
