//! Links the programs that stand in containers or beside them as static files.

use std::path::{Path, PathBuf};
use std::{env, fs};

include!("../runtime/link_static.rs");

fn main() {
    // The probe is the only file that some containers have.
    link_static_pie("rustc-link-arg-bin=probe", None);
    // Tests run in the dev profile, whose debug information is most of a program.
    println!("cargo:rustc-link-arg-bin=probe=-s");
    link_without_libc("floor");
    link_without_libc("empty");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=../runtime/link_static.rs");
}

/// No C library and no start files: what these programs cost is what they do.
fn link_without_libc(bin: &str) {
    for arg in ["-nostartfiles", "-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none", "-Wl,-z,norelro"] {
        println!("cargo:rustc-link-arg-bin={bin}={arg}");
    }
}
