//! Which functions of skeg a command executes, and the linker script that puts these side by side: see scripts/layout.
//!
//! ```text
//! layout trace OUT PROGRAM [ARG...]     the addresses that PROGRAM executes, in the order of their first use
//! layout script MAP OUT ADDRESSES...    the linker script, from lld's map of the program and such lists
//! ```

mod map;
mod trace;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["trace", out, program, args @ ..] => trace::trace(Path::new(out), program, args),
        ["script", map, out, lists @ ..] => write_script(Path::new(map), Path::new(out), lists),
        _ => Err(io::Error::other(
            "usage: layout trace OUT PROGRAM [ARG...] | layout script MAP OUT ADDRESSES...",
        )),
    }
}

fn write_script(map: &Path, out: &Path, lists: &[&str]) -> io::Result<()> {
    let sections = map::sections(&fs::read_to_string(map)?);
    let mut script = String::from(HEAD);
    let mut known = BTreeSet::new();
    for list in lists {
        for line in fs::read_to_string(list)?.lines() {
            let address = u64::from_str_radix(line, 16).map_err(io::Error::other)?;
            if let Some(pattern) = map::pattern_at(&sections, address)
                && known.insert(pattern.clone())
            {
                let _ = writeln!(script, "    {pattern}");
            }
        }
    }
    script.push_str(TAIL);
    fs::write(out, script)
}

const HEAD: &str = "\
/* The functions that a container's life takes, side by side: of a program file the kernel maps 64 KiB with each page
   fault, and pays for every page of it, also at the exit. Made by scripts/layout; a name that is gone does no harm. */
SECTIONS {
  /* Where the standard library would take the arguments from: musl calls it without any. `main` has them. */
  /DISCARD/ : { *(.init_array.00099) }
  .text_hot : {
";
const TAIL: &str = "  }\n}\nINSERT BEFORE .text;\n";
