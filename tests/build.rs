//! Links the probe as one static-pie file: it is the only file some containers have.

use std::path::PathBuf;
use std::{env, fs};

include!("../runtime/link_static.rs");

fn main() {
    link_static_pie("rustc-link-arg-bin=probe");
    // Tests run in the dev profile, whose debug information is most of a program.
    println!("cargo:rustc-link-arg-bin=probe=-s");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=../runtime/link_static.rs");
}
