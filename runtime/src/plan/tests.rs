//! Golden plans: what real configs compile to, in files that a person can read and judge. `UPDATE_PLANS=1` rewrites them.

use super::{CgroupJoin, Options, compile, print};
use crate::cgroup::Layout;
use crate::config;
use crate::facts::Facts;
use crate::seccomp::{Host, compile as compile_seccomp};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> Facts {
    Facts {
        cgroup: Layout::V2,
        rootless: false,
        in_user_namespace: false,
        gid: 0,
        groups_denied: false,
        newuidmap: None,
        newgidmap: None,
        kcore: true,
        permitted: 0x1ff_ffff_ffff,
    }
}

fn options() -> Options {
    Options {
        id: "golden".to_owned(),
        bundle: PathBuf::from("/bundle"),
        no_pivot: false,
        no_new_keyring: false,
        keep_fds: 0,
        listen_fds: 0,
        fifo: true,
        console_socket: false,
        notify_dir: None,
        links: BTreeMap::new(),
        join: CgroupJoin::Clone,
        cgroup_dirs: vec![(String::new(), PathBuf::from("/sys/fs/cgroup/golden"))],
    }
}

/// Compiles a config of the fixtures and holds the plan against its file.
fn assert_golden(config: &str) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read(here.join("../tests/fixtures/configs").join(config)).unwrap();
    let spec = config::parse(&text, Path::new(config)).unwrap();
    let profile = spec.linux().as_ref().and_then(|linux| linux.seccomp().as_ref());
    let filter = profile.map(|profile| compile_seccomp(profile, &Host::native()).unwrap());
    let plan = compile(&spec, &root(), &options(), filter.as_ref()).unwrap();
    let now = print::text(&plan);
    let golden = here.join("src/plan/tests").join(config).with_extension("txt");
    if std::env::var_os("UPDATE_PLANS").is_some() {
        fs::write(&golden, &now).unwrap();
    }
    let before = fs::read_to_string(&golden).unwrap();
    let differs = now.lines().zip(before.lines()).find(|(now, before)| now != before);
    assert!(now == before, "{} differs (UPDATE_PLANS=1 rewrites it), first: {differs:?}", golden.display());
}

#[test]
fn runc_spec_rootless_compiles_to_its_golden_plan() {
    assert_golden("runc-spec-rootless.json");
}

#[test]
fn docker_default_compiles_to_its_golden_plan() {
    assert_golden("docker-default.json");
}

#[test]
fn podman_default_compiles_to_its_golden_plan() {
    assert_golden("podman-default.json");
}

/// What a host with SELinux gets; whether it holds there is for the test VM to show.
#[test]
fn mounts_get_the_label_as_far_as_they_take_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/configs/docker-default.json");
    let mut config: serde_json::Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    config["linux"]["mountLabel"] = "l:0".into();
    config["process"]["selinuxLabel"] = "p:0".into();
    let spec = config::parse(&serde_json::to_vec(&config).unwrap(), Path::new("config.json")).unwrap();
    let text = print::text(&compile(&spec, &root(), &options(), None).unwrap());
    let labelled: Vec<&str> =
        text.lines().filter(|line| line.contains("l:0") || line.contains("p:0")).collect();
    let expected = [
        "write p:0 to /proc/self/attr/keycreate",
        "mount tmpfs on /dev (mode=755,size=65536k,context=l:0,",
        "mount devpts on /dev/pts (",
        "label /dev/mqueue l:0",
        "mount tmpfs on /dev/shm (",
        "write p:0 to /proc/self/attr/exec",
    ];
    assert_eq!(labelled.len(), expected.len(), "{labelled:#?}");
    for (line, expected) in labelled.iter().zip(expected) {
        assert!(line.contains(expected), "{line}: {expected}");
    }
}

/// Seen failing where every container has the link.
#[test]
fn nothing_links_to_a_kcore_that_is_not_there() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/configs/docker-default.json");
    let spec = config::parse(&fs::read(path).unwrap(), Path::new("config.json")).unwrap();
    for kcore in [true, false] {
        let plan = compile(&spec, &Facts { kcore, ..root() }, &options(), None).unwrap();
        assert_eq!(print::text(&plan).contains("symlink /dev/core"), kcore);
    }
}

#[test]
fn plan_and_its_bytes_agree() {
    let text = fs::read(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/configs/runc-spec-rootless.json"),
    )
    .unwrap();
    let spec = config::parse(&text, Path::new("config.json")).unwrap();
    let plan = compile(&spec, &root(), &options(), None).unwrap();
    let bytes = plan.bytes().unwrap();
    let stream = skeg_proto::Stream::read(&bytes).unwrap();
    let numbers: Vec<u32> = stream.steps().map(|(number, _)| number).collect();
    assert_eq!(numbers, (1..=u32::try_from(plan.steps.len()).unwrap()).collect::<Vec<_>>());
}
