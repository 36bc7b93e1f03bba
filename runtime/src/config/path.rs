//! A place in config.json, kept as a chain on the stack: naming a place costs nothing until a mistake is found there.

use std::fmt;

/// A JSON path, printed as `linux.namespaces[2].path`.
#[derive(Clone, Copy)]
pub(crate) enum At<'a> {
    /// The document itself.
    Root,
    /// A member of the object at the first place.
    Key(&'a At<'a>, &'a str),
    /// An element of the array at the first place.
    Index(&'a At<'a>, usize),
}

/// The document itself.
pub(crate) static ROOT: At<'static> = At::Root;

impl<'a> At<'a> {
    /// The member `name` of the object here.
    pub(crate) fn key(&'a self, name: &'a str) -> At<'a> {
        At::Key(self, name)
    }

    /// The element `index` of the array here.
    pub(crate) fn index(&'a self, index: usize) -> At<'a> {
        At::Index(self, index)
    }
}

impl At<'_> {
    /// The same place, to be kept.
    pub(crate) fn place(&self) -> Place {
        let (parent, step) = match self {
            At::Root => return Place::default(),
            At::Key(parent, name) => (parent, Step::Key((*name).to_owned())),
            At::Index(parent, index) => (parent, Step::Index(*index)),
        };
        let mut place = parent.place();
        place.0.push(step);
        place
    }
}

/// A place that outlives the look at the document.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Place(pub(crate) Vec<Step>);

/// From a value to one of its parts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    /// To a member of an object.
    Key(String),
    /// To an element of an array.
    Index(usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn show(steps: &[Step], at: &At<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            match steps.split_first() {
                None => at.fmt(f),
                Some((Step::Key(name), rest)) => show(rest, &at.key(name), f),
                Some((Step::Index(index), rest)) => show(rest, &at.index(*index), f),
            }
        }
        show(&self.0, &ROOT, f)
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            At::Root => Ok(()),
            At::Index(parent, index) => write!(f, "{parent}[{index}]"),
            // Sysctls, annotations and the like have dots in their keys: `linux.sysctl["net.ipv4.ip_forward"]`.
            At::Key(parent, name) if !is_plain(name) => write!(f, "{parent}[{}]", quote(name)),
            At::Key(At::Root, name) => f.write_str(name),
            At::Key(parent, name) => write!(f, "{parent}.{name}"),
        }
    }
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The longest operand a message repeats, in characters.
const LONGEST_OPERAND: usize = 80;

/// A value out of config.json as a message shows it: quoted, on one line, not endless.
pub(crate) fn quote(value: &str) -> Quoted<'_> {
    Quoted(value)
}

/// See [`quote`].
pub(crate) struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = self.0.char_indices().nth(LONGEST_OPERAND).map(|(at, _)| at);
        let start = end.and_then(|end| self.0.get(..end));
        let quoted = format!("{:?}", start.unwrap_or(self.0));
        match (start, quoted.strip_suffix('"')) {
            (Some(_), Some(quoted)) => write!(f, "{quoted}...\""),
            _ => f.write_str(&quoted),
        }
    }
}

/// The candidate that `name` is most likely a misspelling of.
pub(crate) fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // Comparing is quadratic, and no name that we know is longer.
    if name.len() > 64 {
        return None;
    }
    let name = name.to_ascii_lowercase();
    candidates
        .map(|candidate| (strsim::levenshtein(&name, &candidate.to_ascii_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.len() / 3).clamp(1, 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `; did you mean "x"?`, or nothing when no candidate is near.
pub(crate) fn suggestion<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> String {
    nearest(name, candidates).map(|near| format!(" (did you mean \"{near}\"?)")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_like_the_file() {
        assert_eq!(
            ROOT.key("linux").key("namespaces").index(2).key("path").to_string(),
            "linux.namespaces[2].path"
        );
        let sysctl = ROOT.key("linux").key("sysctl").key("net.ipv4.ip_forward").to_string();
        assert_eq!(sysctl, "linux.sysctl[\"net.ipv4.ip_forward\"]");
        assert_eq!(ROOT.index(0).to_string(), "[0]");
    }

    #[test]
    fn an_operand_stays_on_one_line_and_short() {
        assert_eq!(quote("a\n\"b").to_string(), r#""a\n\"b""#);
        assert_eq!(
            quote(&"\u{e4}".repeat(1000)).to_string(),
            format!("\"{}...\"", "\u{e4}".repeat(LONGEST_OPERAND))
        );
    }

    #[test]
    fn only_a_near_name_is_suggested() {
        let names = ["network", "mount", "user", "uts"];
        assert_eq!(nearest("netwrok", names.into_iter()), Some("network"));
        assert_eq!(nearest("MOUNT", names.into_iter()), Some("mount"));
        assert_eq!(nearest("foo", names.into_iter()), None);
    }
}
