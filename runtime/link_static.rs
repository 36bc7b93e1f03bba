/// The C library that a program is linked with.
enum CLibrary {
    /// The target's own.
    Glibc,
    /// musl's, whose archive and start file are in this folder (Debian: musl-dev).
    Musl(PathBuf),
}

impl CLibrary {
    /// The one that starts faster of those that are installed.
    ///
    /// glibc's start-up asks the processor about itself, some 35 times, and on a virtual machine each question is an exit
    /// to the host: a third of a millisecond of each call of a runtime, for string functions that skeg hardly uses. musl
    /// keeps glibc's ABI for what the standard library calls, so that the target may stay what it is.
    fn that_starts_fast() -> Self {
        println!("cargo:rerun-if-env-changed=SKEG_LIBC");
        let arch = env::var("CARGO_CFG_TARGET_ARCH").expect("cargo sets CARGO_CFG_TARGET_ARCH");
        let folder = PathBuf::from(format!("/usr/lib/{arch}-linux-musl"));
        println!("cargo:rerun-if-changed={}", folder.display());
        match env::var("SKEG_LIBC").as_deref() {
            Ok("glibc") => Self::Glibc,
            _ if folder.join("rcrt1.o").exists() && folder.join("libc.a").exists() => Self::Musl(folder),
            _ => {
                println!("cargo:warning=musl is not installed (Debian: musl-dev): with glibc skeg starts slower");
                Self::Glibc
            }
        }
    }
}

/// Links programs of this package as one static-pie file. `argument` is the cargo instruction that reaches them:
/// `rustc-link-arg-bins`, or `rustc-link-arg-bin=NAME` for one.
///
/// `-C target-feature=+crt-static` would do, but it can only be set for a whole build, and then proc-macros no longer
/// build on this target. So the linker is told directly: `-static-pie` chooses the start files, and rustc's request
/// for shared libraries (it asks for them by name, after `-Bdynamic`) is answered with linker scripts that name the
/// archives.
fn link_static_pie(argument: &str, library: &CLibrary) {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let script = |name: &str, archives: &str| {
        fs::write(out.join(format!("lib{name}.so")), format!("GROUP({archives})\n")).expect("OUT_DIR is writable");
    };
    let libc = match library {
        CLibrary::Glibc => "-l:libc.a".to_owned(),
        CLibrary::Musl(folder) => folder.join("libc.a").display().to_string(),
    };
    for name in ["c", "m", "rt", "pthread", "util", "dl"] {
        match library {
            CLibrary::Glibc => script(name, &format!("-l:lib{name}.a")),
            // All of musl is one archive.
            CLibrary::Musl(_) => script(name, &libc),
        }
    }
    script("gcc_s", &format!("-l:libgcc_eh.a -l:libgcc.a {libc}"));
    println!("cargo:{argument}=-L{}", out.display());
    println!("cargo:{argument}=-static-pie");
    match library {
        // Relocations take a twentieth of the space, which is read at every start.
        CLibrary::Glibc => println!("cargo:{argument}=-Wl,-z,pack-relative-relocs"),
        // Before 1.2.4 musl's start-up does not know them.
        CLibrary::Musl(folder) => {
            println!("cargo:{argument}=-nostartfiles");
            println!("cargo:{argument}={}", folder.join("rcrt1.o").display());
        }
    }
}
