//! Where in a config.json the seccomp profile is, before anything is parsed: it is the largest part of most, and the same in
//! most.

use std::ops::Range;

use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Outline<'a> {
    #[serde(borrow)]
    linux: Linux<'a>,
}

#[derive(Deserialize)]
struct Linux<'a> {
    #[serde(borrow)]
    seccomp: &'a RawValue,
}

/// The bytes of `linux.seccomp`. None if there is none, if its name is written with escapes, or if the text is no JSON, about
/// which [`parse`](super::parse()) has more to say.
pub fn profile_place(text: &[u8]) -> Option<Range<usize>> {
    let text = str::from_utf8(text).ok().filter(|text| text.contains("\"seccomp\""))?;
    let outline: Outline<'_> = serde_json::from_str(text).ok()?;
    let profile = outline.linux.seccomp.get();
    let start = profile.as_ptr().addr() - text.as_ptr().addr();
    Some(start..start + profile.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profile_is_found_where_it_is_and_nowhere_else() {
        let found = |text: &'static str| profile_place(text.as_bytes()).map(|place| &text[place]);
        assert_eq!(found(r#"{"linux": {"a": [1], "seccomp": {"b": "}"} }}"#), Some(r#"{"b": "}"}"#));
        assert_eq!(found(r#"{"linux":{"seccomp":{"é":1}},"é":2}"#), Some(r#"{"é":1}"#));
        assert_eq!(found(r#"{"seccomp": {"b": 1}}"#), None);
        assert_eq!(found(r#"{"linux": {"x": {"seccomp": 1}}}"#), None);
        assert_eq!(found(r#"{"annotations": {"a": "\"seccomp\""}, "linux": {}}"#), None);
        // Two are a mistake, which is the parser's to tell; so is what is no JSON.
        assert_eq!(found(r#"{"linux": {"seccomp": 1, "seccomp": 2}}"#), None);
        assert_eq!(found(r#"{"linux": {"seccomp": 1}, "linux": {}}"#), None);
        assert_eq!(found(r#"{"linux": {"seccomp": 1}"#), None);
        assert_eq!(found(r#"{"linux": {"seccomp": nul}}"#), None);
        assert_eq!(profile_place(b"{\"linux\": {\"seccomp\": \"\xff\"}}"), None);
    }
}
