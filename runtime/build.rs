//! Builds nsexec, to be embedded, and links skeg as one static-pie file.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    embed_nsexec(&out);
    link_static_pie(&out);
    println!("cargo:rustc-env=SKEG_COMMIT=unknown");
}

/// Builds nsexec in a target directory of its own (cargo holds a lock on ours) and copies it to OUT_DIR.
fn embed_nsexec(out: &Path) {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../nsexec/Cargo.toml");
    let target = env::var("TARGET").expect("cargo sets TARGET");
    let build = out.join("nsexec-target");
    let status = Command::new(env::var_os("CARGO").expect("cargo sets CARGO"))
        .args(["build", "--profile", "stage", "--target", &target, "--manifest-path"])
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

/// `-C target-feature=+crt-static` would do, but it can only be set for a whole build, and then proc-macros no longer
/// build on this target. So the linker is told directly: `-static-pie` chooses the start files, and rustc's request
/// for shared libraries (it asks for them by name, after `-Bdynamic`) is answered with linker scripts that name the
/// archives.
fn link_static_pie(out: &Path) {
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
