/// Links programs of this package as one static-pie file. `argument` is the cargo instruction that reaches them:
/// `rustc-link-arg-bins`, or `rustc-link-arg-bin=NAME` for one.
///
/// `-C target-feature=+crt-static` would do, but it can only be set for a whole build, and then proc-macros no longer
/// build on this target. So the linker is told directly: `-static-pie` chooses the start files, and rustc's request
/// for shared libraries (it asks for them by name, after `-Bdynamic`) is answered with linker scripts that name the
/// archives.
fn link_static_pie(argument: &str) {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    for library in ["c", "m", "rt", "pthread", "util", "dl"] {
        let script = format!("GROUP(-l:lib{library}.a)\n");
        fs::write(out.join(format!("lib{library}.so")), script).expect("OUT_DIR is writable");
    }
    fs::write(out.join("libgcc_s.so"), "GROUP(-l:libgcc_eh.a -l:libgcc.a -l:libc.a)\n")
        .expect("OUT_DIR is writable");
    println!("cargo:{argument}=-L{}", out.display());
    println!("cargo:{argument}=-static-pie");
    // Relocations take a twentieth of the space, which is read at every start.
    println!("cargo:{argument}=-Wl,-z,pack-relative-relocs");
}
