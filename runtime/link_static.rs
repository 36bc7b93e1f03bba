/// Links programs of this package as one static-pie file. `argument` is the cargo instruction that reaches them:
/// `rustc-link-arg-bins`, or `rustc-link-arg-bin=NAME` for one. `musl` is the folder of musl's archive and start file;
/// without it the C library is the target's own.
///
/// `-C target-feature=+crt-static` would do, but it can only be set for a whole build, and then proc-macros no longer
/// build on this target. So the linker is told directly: `-static-pie` chooses the start files, and rustc's request
/// for shared libraries (it asks for them by name, after `-Bdynamic`) is answered with linker scripts that name the
/// archives.
fn link_static_pie(argument: &str, musl: Option<&Path>) {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let script = |name: &str, archives: &str| {
        let text = format!("GROUP({archives})\n");
        fs::write(out.join(format!("lib{name}.so")), text).expect("OUT_DIR is writable");
    };
    // All of musl is one archive.
    let archive = |name: &str| match musl {
        Some(folder) => folder.join("libc.a").display().to_string(),
        None => format!("-l:lib{name}.a"),
    };
    for name in ["c", "m", "rt", "pthread", "util", "dl"] {
        script(name, &archive(name));
    }
    script("gcc_s", &format!("-l:libgcc_eh.a -l:libgcc.a {}", archive("c")));
    println!("cargo:{argument}=-L{}", out.display());
    println!("cargo:{argument}=-static-pie");
    match musl {
        // Relocations take a twentieth of the space, which is read at every start.
        None => println!("cargo:{argument}=-Wl,-z,pack-relative-relocs"),
        // Before 1.2.4 musl's start-up does not know them.
        Some(folder) => {
            println!("cargo:{argument}=-nostartfiles");
            println!("cargo:{argument}={}", folder.join("rcrt1.o").display());
        }
    }
}
