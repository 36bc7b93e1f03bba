//! Compares skeg with runc, crun, and the floor (tests/floor) on this machine; scripts/bench builds and calls it.
//!
//! It works in a mount namespace of its own, first with the machine's own cgroup layout, then with version 2 alone.
//! In each, every measure is made in rounds: each contestant once, in turn. Nothing stays behind but the result.

mod bundle;
mod chart;
mod contestant;
mod host;
mod measure;
mod report;
mod stats;
mod sys;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Value, json};

use contestant::{Contestant, Kind};
use host::Layout;
use measure::Stage;
use report::View;

/// What the command line says.
struct Options {
    /// Where skeg, the floor and the empty program are.
    binaries: PathBuf,
    /// Where scripts/peers put Debian 13's packages, if it could.
    peers: Option<PathBuf>,
    /// Where bundles and results go.
    out: PathBuf,
    /// The runtime under test.
    skeg: PathBuf,
    /// Rounds a measure.
    runs: usize,
    /// A second place for the chart.
    chart: Option<PathBuf>,
}

const USAGE: &str =
    "usage: bench --binaries DIR --out DIR --skeg PROGRAM [--peers DIR] [--runs N] [--chart FILE]";

fn options() -> Result<Options, Box<dyn Error>> {
    let (mut binaries, mut out, mut skeg, mut peers, mut chart, mut runs) =
        (None, None, None, None, None, 80);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().ok_or(USAGE)?;
        match word.as_str() {
            "--binaries" => binaries = Some(value.into()),
            "--out" => out = Some(value.into()),
            "--skeg" => skeg = Some(value.into()),
            "--peers" => peers = Some(value.into()),
            "--chart" => chart = Some(value.into()),
            "--runs" => runs = value.parse().map_err(|_| format!("--runs {value}: not a number\n{USAGE}"))?,
            _ => return Err(format!("{word}: unknown option\n{USAGE}").into()),
        }
    }
    Ok(Options {
        binaries: binaries.ok_or(USAGE)?,
        out: out.ok_or(USAGE)?,
        skeg: skeg.ok_or(USAGE)?,
        peers,
        runs,
        chart,
    })
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::from(2)
        }
    }
}

/// Measures and reports. Returns whether skeg did everything it was asked.
fn run() -> Result<bool, Box<dyn Error>> {
    let options = options()?;
    let contestants = contestants(&options);
    for contestant in &contestants {
        println!("{:<6} {} ({})", contestant.name, contestant.version, contestant.program.display());
    }
    let work = options.out.join("work");
    let (state, rootfs) = (work.join("state"), work.join("rootfs"));
    fs::create_dir_all(&state)?;
    bundle::make_rootfs(&rootfs, &options.binaries.join("empty"))?;
    sys::prepare()?;
    warn_if_busy();
    sys::private_mount_namespace()?;
    // State belongs on a tmpfs, as /run is.
    sys::mount("tmpfs", &state, Some("tmpfs"), 0)?;
    if let Some(peers) = &options.peers {
        host::bind_peer_libraries(peers)?;
    }
    let mut views = Vec::new();
    let own = Layout::read()?;
    if !own.is_pure_v2() {
        views.push(view(
            "This machine's own cgroup layout",
            &contestants,
            &own,
            &work,
            &state,
            &rootfs,
            options.runs,
        )?);
        host::mount_pure_v2()?;
    }
    let pure = Layout::read()?;
    views.insert(0, view("Pure cgroup v2", &contestants, &pure, &work, &state, &rootfs, options.runs)?);
    report(&options, &views, &contestants)?;
    fs::remove_dir_all(options.out.join("work/bundles"))?;
    Ok(views
        .iter()
        .flat_map(|view| &view.measures)
        .all(|measure| measure.of("skeg").is_none_or(|summary| summary.failures == 0)))
}

/// All measures on one layout, and the layout left as it was.
fn view(
    name: &'static str,
    contestants: &[Contestant],
    layout: &Layout,
    work: &Path,
    state: &Path,
    rootfs: &Path,
    runs: usize,
) -> Result<View, Box<dyn Error>> {
    println!("measuring: {name}, {runs} rounds");
    let measures = Stage::new(contestants, layout, work, state, rootfs, runs)?.measure();
    for path in layout.sweep() {
        eprintln!("bench: {name}: {}: was left behind and has been removed", path.display());
    }
    layout.restore();
    if sys::interrupted() {
        return Err("interrupted; nothing is reported".into());
    }
    Ok(View { name, measures })
}

fn report(options: &Options, views: &[View], contestants: &[Contestant]) -> Result<(), Box<dyn Error>> {
    let machine = machine(options.runs);
    print!("{}", report::table(views, contestants));
    let text = serde_json::to_string_pretty(&report::json(views, contestants, &machine))?;
    fs::write(options.out.join("results.json"), text + "\n")?;
    let Some(first) = views.first() else { return Ok(()) };
    let versions: Vec<&str> = contestants.iter().map(|contestant| contestant.version.as_str()).collect();
    let line = format!(
        "Linux {}, {} processors, {} rounds; {}",
        machine["kernel"].as_str().unwrap_or_default(),
        machine["processors"],
        options.runs,
        versions.join(", ")
    );
    let drawn = chart::svg(first, &line);
    let place = options.out.join("chart.svg");
    println!("\n{} {}", options.out.join("results.json").display(), place.display());
    fs::write(place, &drawn)?;
    if let Some(place) = &options.chart {
        fs::write(place, drawn)?;
    }
    Ok(())
}

/// Other work on the machine lengthens everything, and not evenly.
fn warn_if_busy() {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: f64 = text.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0.0);
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    if load > processors as f64 / 4.0 {
        println!("the machine is busy: load {load} on {processors} processors; expect noise");
    }
}

fn machine(runs: usize) -> Value {
    let read = |path| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    json!({
        "kernel": read("/proc/sys/kernel/osrelease"),
        "processors": std::thread::available_parallelism().map_or(0, usize::from),
        "load": read("/proc/loadavg"),
        "rounds": runs,
    })
}

/// Who takes part: whoever is there.
fn contestants(options: &Options) -> Vec<Contestant> {
    let mut list = Vec::new();
    let mut add = |name, version: String, program: PathBuf, kind, hybrid| {
        if program.exists() {
            list.push(Contestant { name, version, program, kind, hybrid });
        } else {
            println!("{name:<6} left out: {}: not there", program.display());
        }
    };
    add("skeg", first_line(&options.skeg), options.skeg.clone(), Kind::Runtime, true);
    if let Some(peers) = &options.peers {
        let versions = fs::read_to_string(peers.join("versions")).unwrap_or_default();
        let version =
            |name: &str| versions.lines().find(|line| line.starts_with(name)).unwrap_or(name).to_owned();
        add("crun", version("crun"), peers.join("root/usr/bin/crun"), Kind::Runtime, false);
        add("runc", version("runc"), peers.join("root/usr/sbin/runc"), Kind::Runtime, true);
    } else {
        let runc = PathBuf::from("/usr/sbin/runc");
        add("runc", first_line(&runc), runc, Kind::Runtime, true);
    }
    add("floor", "floor".into(), options.binaries.join("floor"), Kind::Floor, true);
    add("empty", "empty program".into(), options.binaries.join("empty"), Kind::Empty, true);
    list
}

/// What `PROGRAM --version` says first, or the program's name.
fn first_line(program: &Path) -> String {
    let name = || program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let Ok(output) = std::process::Command::new(program).arg("--version").output() else { return name() };
    String::from_utf8_lossy(&output.stdout).lines().next().map_or_else(name, str::to_owned)
}
