//! Errnos in words, as callers match them: C's words, in lower case.

use nix::errno::Errno;

/// `ENOENT: no such file or directory`.
pub fn words(errno: Errno) -> String {
    format!("{errno:?}: {}", meaning(errno))
}

/// `no such file or directory`.
pub fn meaning(errno: Errno) -> String {
    let text = match errno {
        // musl's words are about something else.
        Errno::ERANGE => "Numerical result out of range",
        other => other.desc(),
    };
    let mut chars = text.chars();
    match chars.next() {
        // An initial of an abbreviation stays ("RPC version wrong").
        Some(first) if !chars.as_str().starts_with(char::is_uppercase) => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => text.to_owned(),
    }
}

/// The errno of an I/O error of the standard library; EIO for one that is no system call's.
pub fn of(error: &std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

/// The words for an I/O error of the standard library.
pub fn io_words(error: &std::io::Error) -> String {
    error.raw_os_error().map_or_else(|| error.to_string(), |code| words(Errno::from_raw(code)))
}
