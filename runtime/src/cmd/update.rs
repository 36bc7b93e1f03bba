//! `update`: from a file of limits, or from flags.

use super::store;
use crate::cli::Global;
use crate::cli::command::Update;
use crate::config;
use crate::lifecycle::update::update;
use oci_spec::runtime::{LinuxBlockIo, LinuxCpu, LinuxIntelRdt, LinuxMemory, LinuxPids, LinuxResources};
use std::io::Read;
use std::path::Path;

/// The limits that flags set.
const PROPERTIES: [(&str, &str); 14] = [
    ("memory.limit", "--memory"),
    ("memory.reservation", "--memory-reservation"),
    ("memory.swap", "--memory-swap"),
    ("cpu.period", "--cpu-period"),
    ("cpu.quota", "--cpu-quota"),
    ("cpu.burst", "--cpu-burst"),
    ("cpu.shares", "--cpu-share"),
    ("cpu.realtimePeriod", "--cpu-rt-period"),
    ("cpu.realtimeRuntime", "--cpu-rt-runtime"),
    ("cpu.cpus", "--cpuset-cpus"),
    ("cpu.mems", "--cpuset-mems"),
    ("cpu.idle", "--cpu-idle"),
    ("blockIO.weight", "--blkio-weight"),
    ("pids.limit", "--pids-limit"),
];

/// Runs the command.
pub fn run(global: &Global, args: &Update) -> anyhow::Result<i32> {
    let resources = match &args.resources {
        Some(file) => read_resources(file)?,
        None => {
            let resources = from_flags(args);
            config::check_resources(&resources, &config::Source::Flags(&PROPERTIES))?;
            resources
        }
    };
    update(&store(global), &args.id, &resources, schemata(args).as_ref())?;
    Ok(0)
}

fn read_resources(file: &Path) -> anyhow::Result<LinuxResources> {
    let mut text = Vec::new();
    let (read, file) = match file == Path::new("-") {
        true => (std::io::stdin().read_to_end(&mut text), Path::new("stdin")),
        false => (std::fs::File::open(file).and_then(|mut f| f.read_to_end(&mut text)), file),
    };
    read.map_err(|error| anyhow::anyhow!("{}: {}", file.display(), crate::errno::io_words(&error)))?;
    let resources = config::parse_resources(&text, file)?;
    config::check_resources(&resources, &config::Source::File(file.into()))?;
    Ok(resources)
}

fn schemata(args: &Update) -> Option<LinuxIntelRdt> {
    let (l3, memory) = (&args.l3_cache_schema, &args.mem_bw_schema);
    (l3.is_some() || memory.is_some()).then(|| {
        let mut rdt = LinuxIntelRdt::default();
        rdt.set_l3_cache_schema(l3.clone()).set_mem_bw_schema(memory.clone());
        rdt
    })
}

fn from_flags(args: &Update) -> LinuxResources {
    let mut resources = LinuxResources::default();
    let mut memory = LinuxMemory::default();
    memory
        .set_limit(args.memory.map(|s| s.0))
        .set_reservation(args.memory_reservation.map(|s| s.0))
        .set_swap(args.memory_swap.map(|s| s.0));
    let mut cpu = LinuxCpu::default();
    cpu.set_period(args.cpu_period)
        .set_quota(args.cpu_quota)
        .set_burst(args.cpu_burst)
        .set_shares(args.cpu_share)
        .set_realtime_period(args.cpu_rt_period)
        .set_realtime_runtime(args.cpu_rt_runtime)
        .set_cpus(args.cpuset_cpus.clone())
        .set_mems(args.cpuset_mems.clone())
        .set_idle(args.cpu_idle);
    let mut block_io = LinuxBlockIo::default();
    block_io.set_weight(args.blkio_weight);
    let pids = args.pids_limit.map(|limit| {
        let mut pids = LinuxPids::default();
        pids.set_limit(limit);
        pids
    });
    resources
        .set_devices(None)
        .set_memory(Some(memory))
        .set_cpu(Some(cpu))
        .set_block_io(Some(block_io))
        .set_pids(pids);
    resources
}
