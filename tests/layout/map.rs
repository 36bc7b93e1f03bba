//! lld's link map: which input section lies where.

use std::ops::Range;

/// An input section of the program.
pub struct Section {
    range: Range<u64>,
    pattern: String,
}

/// The code sections of a map, by address.
pub fn sections(map: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = map.lines().filter_map(section).collect();
    sections.sort_by_key(|section| section.range.start);
    sections
}

/// The linker script's words for the section that holds an address.
pub fn pattern_at(sections: &[Section], address: u64) -> Option<&String> {
    let after = sections.partition_point(|section| section.range.start <= address);
    let section = sections.get(after.checked_sub(1)?)?;
    section.range.contains(&address).then_some(&section.pattern)
}

/// `VMA LMA SIZE ALIGN FILE:(SECTION)`, the first three in hexadecimal; symbols and output sections are other lines.
fn section(line: &str) -> Option<Section> {
    let mut words = line.split_whitespace();
    let start = u64::from_str_radix(words.next()?, 16).ok()?;
    let size = u64::from_str_radix(words.nth(1)?, 16).ok()?;
    let (file, name) = line.strip_suffix(')')?.rsplit_once(":(")?;
    let pattern = pattern(file, name).filter(|_| size > 0)?;
    Some(Section { range: start..start + size, pattern })
}

fn pattern(file: &str, name: &str) -> Option<String> {
    if let Some((archive, member)) = file.strip_suffix(')').and_then(|file| file.rsplit_once('(')) {
        let archive = archive.rsplit('/').next()?;
        return name.starts_with(".text").then(|| format!("*{archive}:{member}({name})"));
    }
    name.starts_with(".text.").then(|| format!("*({})", without_hash(name)))
}

/// The hash at the end of a mangled name is another one with each compiler.
fn without_hash(name: &str) -> String {
    match name.rsplit_once("17h") {
        Some((path, hash)) if hash.len() == 17 && hash.ends_with('E') => format!("{path}17h*E"),
        _ => name.to_owned(),
    }
}
