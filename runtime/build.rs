//! Links skeg as one static-pie file.

use std::path::PathBuf;
use std::{env, fs};

include!("link_static.rs");

fn main() {
    link_static_pie("rustc-link-arg-bins");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=link_static.rs");
}
