//! Builds nsexec, to be embedded, and links skeg as one static-pie file.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

include!("link_static.rs");
#[path = "syscall_tables.rs"]
mod syscall_tables;

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    embed_nsexec(&out);
    link();
    order_functions();
    let tables = syscall_tables::source();
    write_syscall_tables(&out, &tables);
    tell_compiler(&tables);
    tell_commit();
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=link_static.rs");
}

/// Links skeg with musl where it is installed, as it starts faster.
///
/// glibc's start-up asks the processor about itself, some 35 times, and on a virtual machine each question is an exit to
/// the host: a third of a millisecond of each call of a runtime, for string functions that skeg hardly uses. musl keeps
/// glibc's ABI for what the standard library calls, so that the target may stay what it is.
fn link() {
    println!("cargo:rustc-check-cfg=cfg(musl)");
    let musl = musl();
    if musl.is_some() {
        println!("cargo:rustc-cfg=musl");
    }
    link_static_pie("rustc-link-arg-bins", musl.as_deref());
}

/// Where musl is; SKEG_LIBC=glibc says that it is not wanted.
fn musl() -> Option<PathBuf> {
    let arch = env::var("CARGO_CFG_TARGET_ARCH").expect("cargo sets CARGO_CFG_TARGET_ARCH");
    let folder = PathBuf::from(format!("/usr/lib/{arch}-linux-musl"));
    println!("cargo:rerun-if-env-changed=SKEG_LIBC");
    if env::var_os("SKEG_LIBC").is_some_and(|wanted| wanted == "glibc") {
        return None;
    }
    if ["libc.a", "rcrt1.o"].iter().all(|file| folder.join(file).exists()) {
        // Only where it is there: cargo takes a path that is missing as one that has changed.
        println!("cargo:rerun-if-changed={}", folder.display());
        return Some(folder);
    }
    println!(
        "cargo:warning=musl is not installed (Debian: musl-dev): skeg is linked with glibc, and starts slower"
    );
    None
}

/// Builds nsexec in a target directory of its own (cargo holds a lock on ours) and copies it to OUT_DIR.
fn embed_nsexec(out: &Path) {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../nsexec/Cargo.toml");
    let target = env::var("TARGET").expect("cargo sets TARGET");
    let build = out.join("nsexec-target");
    let status = Command::new(env::var_os("CARGO").expect("cargo sets CARGO"))
        .args(["build", "--features", "bin", "--profile", "stage", "--target", &target, "--manifest-path"])
        .arg(&manifest)
        .arg("--target-dir")
        .arg(&build)
        // Flags meant for skeg itself (coverage, sanitizers, `-D warnings`) don't fit a program without a C library.
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .status()
        .expect("cargo can be run");
    assert!(status.success(), "nsexec does not build");
    let program = build.join(&target).join("stage/nsexec");
    fs::copy(&program, out.join("nsexec")).expect("nsexec was built");
    for input in
        ["../nsexec/src", "../nsexec/Cargo.toml", "../nsexec/build.rs", "../proto/src", "../Cargo.toml"]
    {
        println!("cargo:rerun-if-changed={input}");
    }
}

/// Writes the tables that src/seccomp/calls.rs includes.
fn write_syscall_tables(out: &Path, tables: &str) {
    fs::write(out.join("syscalls.rs"), tables).expect("OUT_DIR is writable");
    for input in ["syscall_tables.rs", "syscall_tables", "src/seccomp/hash.rs"] {
        println!("cargo:rerun-if-changed={input}");
    }
}

/// Sets SKEG_SECCOMP_COMPILER: sixteen digits, others for another way to read, check or compile profiles. The tables come in
/// part from a crate, and so does the parser: the lock file, where there is one, has their versions.
fn tell_compiler(tables: &str) {
    let mut hasher = DefaultHasher::new();
    let arch = env::var("CARGO_CFG_TARGET_ARCH").expect("cargo sets CARGO_CFG_TARGET_ARCH");
    (env!("CARGO_PKG_VERSION"), arch, tables).hash(&mut hasher);
    let lock = Path::new("../Cargo.lock");
    if let Ok(versions) = fs::read(lock) {
        println!("cargo:rerun-if-changed={}", lock.display());
        versions.hash(&mut hasher);
    }
    for folder in ["src/seccomp", "src/config", "src/config/check"] {
        println!("cargo:rerun-if-changed={folder}");
        let files = fs::read_dir(folder).expect("the package is whole");
        let mut files: Vec<_> = files.filter_map(|file| file.ok().map(|file| file.path())).collect();
        files.sort();
        for file in files.iter().filter(|file| file.is_file()) {
            fs::read(file).expect("it can be read").hash(&mut hasher);
        }
    }
    println!("cargo:rustc-env=SKEG_SECCOMP_COMPILER={:016x}", hasher.finish());
}

/// Puts the functions that most commands execute side by side.
fn order_functions() {
    println!("cargo:rustc-link-arg-bins=-Wl,-T,{}/layout.ld", env!("CARGO_MANIFEST_DIR"));
    println!("cargo:rerun-if-changed=layout.ld");
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
