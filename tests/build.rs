//! Links the two programs of tests/floor with no C library and no start files: what they cost is what they do.

fn main() {
    for bin in ["floor", "empty"] {
        for arg in
            ["-nostartfiles", "-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none", "-Wl,-z,norelro"]
        {
            println!("cargo:rustc-link-arg-bin={bin}={arg}");
        }
    }
    println!("cargo:rerun-if-changed=build.rs");
}
