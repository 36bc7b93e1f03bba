//! libseccomp, in a C program that is compiled here and asked over pipes.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

use oci_spec::runtime::{Arch, LinuxSeccomp, LinuxSeccompArg, LinuxSeccompOperator, LinuxSyscall};

use crate::interpreter::Instruction;

pub struct Libseccomp {
    program: PathBuf,
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// Why there is no filter of libseccomp's.
#[derive(Debug)]
pub enum Refusal {
    /// EEXIST: two rules can't be merged.
    Exists,
    /// Its time was up.
    Endless,
    /// Something else.
    Errno(i32),
}

/// Names that also come through socketcall(2), with the number that they have there.
const SOCKETCALL: [(&str, u64); 20] = [
    ("socket", 1),
    ("bind", 2),
    ("connect", 3),
    ("listen", 4),
    ("accept", 5),
    ("getsockname", 6),
    ("getpeername", 7),
    ("socketpair", 8),
    ("send", 9),
    ("recv", 10),
    ("sendto", 11),
    ("recvfrom", 12),
    ("shutdown", 13),
    ("setsockopt", 14),
    ("getsockopt", 15),
    ("sendmsg", 16),
    ("recvmsg", 17),
    ("accept4", 18),
    ("recvmmsg", 19),
    ("sendmmsg", 20),
];
/// The same for ipc(2).
const IPC: [(&str, u64); 12] = [
    ("semop", 1),
    ("semget", 2),
    ("semctl", 3),
    ("semtimedop", 4),
    ("msgsnd", 11),
    ("msgrcv", 12),
    ("msgget", 13),
    ("msgctl", 14),
    ("shmat", 21),
    ("shmdt", 22),
    ("shmget", 23),
    ("shmctl", 24),
];

/// The number of the call through which `name` also comes, and its number there.
pub fn multiplexed(arch: Arch, name: &str) -> Option<(u32, u64)> {
    let first = match arch {
        Arch::ScmpArchMips | Arch::ScmpArchMipsel => 4000,
        Arch::ScmpArchX86
        | Arch::ScmpArchPpc
        | Arch::ScmpArchPpc64
        | Arch::ScmpArchPpc64le
        | Arch::ScmpArchM68k
        | Arch::ScmpArchSh
        | Arch::ScmpArchSheb
        | Arch::ScmpArchS390
        | Arch::ScmpArchS390x => 0,
        _ => return None,
    };
    let find = |calls: &[(&str, u64)]| calls.iter().find(|call| call.0 == name).map(|call| call.1);
    find(&SOCKETCALL).map(|which| (first + 102, which)).or(find(&IPC).map(|which| (first + 117, which)))
}

/// Compiles `NAME.c` of this directory.
pub fn build(name: &str) -> Result<PathBuf, String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("seccomp_oracle").join(name).with_extension("c");
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("seccomp-{name}"));
    // Other processes may be at it as well.
    let own = program.with_extension(std::process::id().to_string());
    let output = Command::new("cc").arg(&source).args(["-O1", "-o"]).arg(&own).arg("-lseccomp").output();
    let output = output.map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    std::fs::rename(&own, &program).map_err(|error| error.to_string())?;
    Ok(program)
}

impl Libseccomp {
    /// `None`, and a line that says why, if there is no C compiler or no libseccomp.
    pub fn start() -> Option<Self> {
        static PROGRAM: OnceLock<Option<PathBuf>> = OnceLock::new();
        let program =
            PROGRAM.get_or_init(|| build("oracle").map_err(|why| println!("SKIP: cc -lseccomp: {why}")).ok());
        Some(Self::spawn(program.clone()?))
    }

    fn spawn(program: PathBuf) -> Self {
        let mut child = Command::new(&program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { program, child, input, output }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn new_filter(commands: &mut String, action: u32, archs: &[Arch]) {
        writeln!(commands, "filter {action:x}").unwrap();
        for arch in archs {
            writeln!(commands, "arch {:x}", *arch as u32).unwrap();
        }
    }

    /// The numbers of each name on each architecture; negative if there is none.
    pub fn names(
        &mut self,
        archs: &[Arch],
        names: impl IntoIterator<Item = String>,
    ) -> Vec<(String, Vec<i32>)> {
        let mut commands = String::new();
        Self::new_filter(&mut commands, 0, archs);
        commands.push_str("names");
        let names: Vec<String> = names.into_iter().collect();
        for name in &names {
            write!(commands, " {name}").unwrap();
        }
        commands.push_str(" .\n");
        self.input.write_all(commands.as_bytes()).unwrap();
        let answer = |this: &mut Self| {
            let line = this.line();
            let mut words = line.split(' ');
            let name = words.next().unwrap().to_owned();
            (name, words.map(|word| word.parse().unwrap()).collect())
        };
        names.iter().map(|_| answer(self)).collect()
    }

    /// Whether libseccomp knows an architecture.
    pub fn knows(&mut self, arch: Arch) -> bool {
        self.input.write_all(format!("has {:x}\n", arch as u32).as_bytes()).unwrap();
        self.line() == "has 1"
    }

    /// The names that libseccomp knows for an architecture.
    pub fn calls(&mut self, arch: Arch) -> Vec<String> {
        let mut commands = String::new();
        Self::new_filter(&mut commands, 0, &[arch]);
        commands.push_str("calls\n");
        self.input.write_all(commands.as_bytes()).unwrap();
        std::iter::from_fn(|| Some(self.line()).filter(|line| line != ".")).collect()
    }

    /// Drives libseccomp as runc does. An error is why it refuses a rule.
    pub fn compile(&mut self, profile: &LinuxSeccomp, archs: &[Arch]) -> Result<Vec<u8>, Refusal> {
        let default = profile.default_action().as_u32(profile.default_errno_ret());
        let mut commands = String::new();
        Self::new_filter(&mut commands, default, archs);
        let mut rules = 0;
        let calls = profile.syscalls().iter().flatten();
        let count: usize = calls.clone().map(|call| call.names().len()).sum();
        if count > 32 {
            commands.push_str("optimize 2\n");
        }
        for call in calls {
            let action = call.action().as_u32(call.errno_ret());
            if action == default {
                continue;
            }
            for name in call.names() {
                for args in alternatives(call) {
                    rules += 1;
                    write!(commands, "rule {action:x} {name} {}", args.len()).unwrap();
                    args.iter().for_each(|arg| condition(&mut commands, arg));
                    commands.push('\n');
                }
            }
        }
        commands.push_str("export\n");
        self.input.write_all(commands.as_bytes()).unwrap();
        let answers: Vec<String> = (0..rules).map(|_| self.line()).collect();
        let length = self.line();
        if length.is_empty() {
            // Its time was up.
            *self = Self::spawn(self.program.clone());
            return Err(Refusal::Endless);
        }
        let length: usize = length.strip_prefix("program ").unwrap().parse().unwrap();
        let mut program = vec![0; length];
        self.output.read_exact(&mut program).unwrap();
        for answer in answers {
            match answer.strip_prefix("rule ").unwrap() {
                "0" | "unknown" => {}
                "-17" => return Err(Refusal::Exists),
                refused => return Err(Refusal::Errno(refused.parse().unwrap())),
            }
        }
        Ok(program)
    }
}

/// Mends a program for the other byte order: where libseccomp repeats a `ret`, it swaps the bytes of the value twice.
pub fn mend(program: &mut [Instruction], profile: &LinuxSeccomp) {
    let calls = profile.syscalls().iter().flatten();
    let mut values: Vec<u32> = calls.map(|call| call.action().as_u32(call.errno_ret())).collect();
    values.push(profile.default_action().as_u32(profile.default_errno_ret()));
    for instruction in program.iter_mut().filter(|instruction| instruction.code == 0x06) {
        if values.contains(&instruction.k.swap_bytes()) {
            instruction.k = instruction.k.swap_bytes();
        }
    }
}

impl Drop for Libseccomp {
    fn drop(&mut self) {
        // It ends by itself once its input does; killing it first spares the order of the drops.
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }
}

/// runc makes separate rules of conditions on the same argument.
pub fn alternatives(call: &LinuxSyscall) -> Vec<Vec<LinuxSeccompArg>> {
    let args = call.args().clone().unwrap_or_default();
    let twice = args.iter().enumerate().any(|(at, arg)| args[..at].iter().any(|a| a.index() == arg.index()));
    if twice { args.into_iter().map(|arg| vec![arg]).collect() } else { vec![args] }
}

fn condition(commands: &mut String, arg: &LinuxSeccompArg) {
    // enum scmp_compare has the same values.
    let (a, b) = match arg.op() {
        LinuxSeccompOperator::ScmpCmpMaskedEq => (arg.value(), arg.value_two().unwrap_or(0)),
        _ => (arg.value(), 0),
    };
    write!(commands, " {} {} {a:x} {b:x}", arg.index(), arg.op() as u32).unwrap();
}
