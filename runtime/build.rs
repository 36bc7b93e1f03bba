//! Links skeg as one static-pie file, and tells it the commit it is built from.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

fn main() {
    link_static_pie();
    tell_commit();
}

/// `-C target-feature=+crt-static` would do, but it can only be set for a whole build, and then proc-macros no longer
/// build on this target. So the linker is told directly: `-static-pie` chooses the start files, and rustc's request
/// for shared libraries (it asks for them by name, after `-Bdynamic`) is answered with linker scripts that name the
/// archives.
fn link_static_pie() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    for library in ["c", "m", "rt", "pthread", "util", "dl"] {
        let script = format!("GROUP(-l:lib{library}.a)\n");
        fs::write(out.join(format!("lib{library}.so")), script).expect("OUT_DIR is writable");
    }
    fs::write(out.join("libgcc_s.so"), "GROUP(-l:libgcc_eh.a -l:libgcc.a -l:libc.a)\n")
        .expect("OUT_DIR is writable");
    println!("cargo:rustc-link-arg-bins=-L{}", out.display());
    println!("cargo:rustc-link-arg-bins=-static-pie");
    println!("cargo:rerun-if-changed=build.rs");
}

/// Sets SKEG_COMMIT for `--version`: from the environment of a packager who builds without git, else from git.
fn tell_commit() {
    println!("cargo:rerun-if-env-changed=SKEG_COMMIT");
    // The reflog changes with every commit and every switch; HEAD itself only with the latter.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]).filter(|log| Path::new(log).exists()) {
        println!("cargo:rerun-if-changed={log}");
    }
    let commit = env::var("SKEG_COMMIT").ok().or_else(|| git(&["rev-parse", "--short", "HEAD"]));
    println!("cargo:rustc-env=SKEG_COMMIT={}", commit.as_deref().unwrap_or("unknown"));
}

/// The one line that a git command prints.
fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
