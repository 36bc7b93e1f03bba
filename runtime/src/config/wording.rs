//! serde's sentences about values, in the words of JSON.

use super::path::{Place, Step, quote, suggestion};
use super::repair;

/// The place of a value that can't be read, and what is wrong with it.
pub(super) fn in_words(error: &serde_path_to_error::Error<serde_json::Error>) -> (Place, String) {
    let mut place = place(error.path());
    let message = error.inner().to_string();
    if let Some(name) = between_ticks(&message, "missing field ") {
        place.0.push(Step::Key(name.to_owned()));
        return (place, "required property is missing".into());
    }
    // Environments hold secrets, and a value of the wrong type would be repeated.
    if place.0.iter().any(|step| *step == Step::Key("env".to_owned())) {
        let is_element = matches!(place.0.last(), Some(Step::Index(_)));
        return (place, if is_element { "expected a string" } else { "expected an array of strings" }.into());
    }
    (place, reworded(&message))
}

fn place(path: &serde_path_to_error::Path) -> Place {
    use serde_path_to_error::Segment;
    let step = |segment: &Segment| match segment {
        Segment::Seq { index } => Some(Step::Index(*index)),
        Segment::Map { key } => Some(Step::Key(key.clone())),
        Segment::Enum { .. } | Segment::Unknown => None,
    };
    Place(path.iter().filter_map(step).collect())
}

/// The first of the values that were expected, where there is a list of them.
pub(super) fn first_expected(message: &str) -> Option<&str> {
    let (_, expected) = unknown_variant(message)?;
    expected.split('`').nth(1)
}

fn between_ticks<'m>(message: &'m str, before: &str) -> Option<&'m str> {
    message.strip_prefix(before)?.strip_prefix('`')?.split('`').next()
}

/// serde's names of types, and what people call them.
const TYPES: [(&str, &str); 11] = [
    ("a sequence", "an array"),
    ("a map", "an object"),
    ("struct ", "an object: "),
    ("unit", "null"),
    ("path string", "a string"),
    ("u16", "a number from 0 to 65535"),
    ("u32", "a number from 0 to 4294967295"),
    ("u64", "a number from 0 to 18446744073709551615"),
    ("usize", "a number from 0 to 18446744073709551615"),
    ("i32", "a number from -2147483648 to 2147483647"),
    ("i64", "a number from -9223372036854775808 to 9223372036854775807"),
];

fn reworded(message: &str) -> String {
    if let Some((unknown, expected)) = unknown_variant(message) {
        let names: Vec<&str> = expected.split('`').skip(1).step_by(2).map(repair::spelled).collect();
        let near = suggestion(unknown, names.iter().copied());
        return format!("unknown value {}: expected one of {}{near}", quote(unknown), names.join(", "));
    }
    let Some((found, expected)) = message.rsplit_once(", expected ") else {
        // oci_spec's own sentences begin with a capital.
        let mut rest = message.chars();
        return rest.next().into_iter().flat_map(char::to_lowercase).chain(rest).collect();
    };
    let found =
        found.strip_prefix("invalid type: ").or(found.strip_prefix("invalid value: ")).unwrap_or(found);
    let found = match found.split_once(' ') {
        // The text of a string as we quote it elsewhere: serde would print megabytes.
        Some(("string", text)) => format!("string {}", quote(text.trim_matches('"'))),
        _ if found == "sequence" => "an array".into(),
        _ if found == "map" => "an object".into(),
        _ => found.replace('`', ""),
    };
    let wanted = TYPES.iter().find(|(rust, _)| expected.starts_with(rust));
    let wanted = match wanted {
        Some(("struct ", _)) => "an object",
        Some((_, json)) => json,
        None => expected,
    };
    format!("expected {wanted}, not {found}")
}

fn unknown_variant(message: &str) -> Option<(&str, &str)> {
    message.strip_prefix("unknown variant `")?.rsplit_once("`, expected ")
}
