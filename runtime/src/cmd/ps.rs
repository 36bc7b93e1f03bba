//! `skeg ps`: the processes of a container.

use super::{output, store};
use crate::cgroup::Cgroup;
use crate::cli::Global;
use crate::cli::command::Ps;
use crate::cli::format::Format;
use crate::errno::io_words;
use anyhow::{Context as _, Result, anyhow, bail};
use std::collections::BTreeSet;
use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Prints the processes, all those of the container's cgroup: as a JSON array, or as those lines of ps(1) that
/// are theirs.
pub fn run(global: &Global, args: &Ps) -> Result<()> {
    let state = store(global).open(&args.id)?.load()?;
    let pids: Vec<i32> = Cgroup::new(state.cgroup).pids()?.iter().map(|pid| pid.as_raw()).collect();
    let text = match args.format {
        Format::Json if pids.is_empty() => b"null\n".to_vec(),
        Format::Json => {
            let mut json = serde_json::to_vec(&pids)?;
            json.push(b'\n');
            json
        }
        Format::Table => {
            let mut ps = Command::new(program(env::var_os("PATH").as_deref()));
            if args.ps_options.is_empty() {
                ps.arg("-ef")
            } else {
                ps.args(&args.ps_options)
            };
            let listing = ps.output().map_err(|error| anyhow!("run ps: {}", io_words(&error)))?;
            if !listing.status.success() {
                bail!("ps: {}: {}", listing.status, String::from_utf8_lossy(&listing.stderr).trim());
            }
            filter(&String::from_utf8_lossy(&listing.stdout), &pids)?.into_bytes()
        }
    };
    output::print(&text)
}

/// ps(1) as found in PATH; callers may pass none, so the usual places are looked at as well.
fn program(path: Option<&OsStr>) -> PathBuf {
    let in_path = path.map(env::split_paths).into_iter().flatten();
    let usual = ["/usr/bin", "/bin"].map(PathBuf::from);
    let mut candidates = in_path.filter(|directory| directory.is_absolute()).chain(usual);
    candidates.find_map(|directory| Some(directory.join("ps")).filter(|ps| ps.is_file())).unwrap_or_else(
        || {
            // The error of running it names what was missing.
            Path::new("/usr/bin/ps").to_owned()
        },
    )
}

/// Keeps the header and the lines of `pids`, as told by the column PID.
fn filter(listing: &str, pids: &[i32]) -> Result<String> {
    let pids: BTreeSet<i32> = pids.iter().copied().collect();
    let mut lines = listing.lines();
    let header = lines.next().unwrap_or_default();
    let column = header
        .split_whitespace()
        .position(|word| word == "PID")
        .context("couldn't find PID field in ps output")?;
    let mut text = format!("{header}\n");
    for line in lines {
        let pid = line.split_whitespace().nth(column).and_then(|word| word.parse::<i32>().ok());
        if pid.is_some_and(|pid| pids.contains(&pid)) {
            text.push_str(line);
            text.push('\n');
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_container_s_lines_are_kept() {
        let listing = "UID  PID PPID CMD\nroot 1 0 12\nroot 12 1 sleep 1\n\nroot x y\nroot 120 1 12\n";
        assert_eq!(filter(listing, &[12, 99]).unwrap(), "UID  PID PPID CMD\nroot 12 1 sleep 1\n");
        assert_eq!(filter(listing, &[]).unwrap(), "UID  PID PPID CMD\n");
    }

    #[test]
    fn listing_without_pid_column_is_an_error() {
        assert!(filter("UID CMD\nroot sh\n", &[1]).is_err());
        assert!(filter("", &[1]).is_err());
    }

    #[test]
    fn ps_is_found_without_path() {
        let found = program(None);
        assert!(found.is_absolute() && found.ends_with("ps"));
        assert_eq!(program(Some(OsStr::new(""))), found);
    }
}
