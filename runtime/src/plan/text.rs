//! Strings of the config as C strings.

use super::Error;
use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt;

/// A string as a C string; a NUL byte in it is an error that names the place.
pub(super) fn c_string(value: impl AsRef<OsStr>, place: &str) -> Result<CString, Error> {
    let value = value.as_ref();
    CString::new(value.as_bytes())
        .map_err(|_| Error::Nul { place: place.to_owned(), value: value.to_string_lossy().into_owned() })
}

/// A list of strings as C strings.
pub(super) fn c_strings<S: AsRef<OsStr>>(
    values: impl IntoIterator<Item = S>,
    place: &str,
) -> Result<Vec<CString>, Error> {
    values.into_iter().map(|value| c_string(value, place)).collect()
}
