//! Tests of the vocabulary of namespaces.

use super::{Error, NamespaceType, Namespaces};
use nix::sched::CloneFlags;
use oci_spec::runtime::{LinuxNamespace, LinuxNamespaceType};
use std::path::{Path, PathBuf};

fn config(json: &str) -> Result<Namespaces, Error> {
    let list: Vec<LinuxNamespace> = serde_json::from_str(json).unwrap();
    Namespaces::from_config(&list)
}

#[test]
fn types_stand_in_runcs_join_order() {
    let names = NamespaceType::ALL.map(NamespaceType::file_name);
    assert_eq!(names, ["user", "ipc", "uts", "net", "pid", "mnt", "cgroup", "time"]);
    assert!(NamespaceType::ALL.is_sorted());
}

#[test]
fn types_have_oci_names() {
    let names = NamespaceType::ALL.map(|kind| kind.to_string());
    assert_eq!(names, ["user", "ipc", "uts", "network", "pid", "mount", "cgroup", "time"]);
}

#[test]
fn types_have_the_kernels_flags() {
    let flags = NamespaceType::ALL.map(|kind| kind.clone_flag().bits());
    let expected = [
        0x1000_0000,
        0x0800_0000,
        0x0400_0000,
        0x4000_0000,
        0x2000_0000,
        0x0002_0000,
        0x0200_0000,
        0x0000_0080,
    ];
    assert_eq!(flags, expected);
}

#[test]
fn types_have_keys_in_state_json_and_back() {
    let keys = NamespaceType::ALL.map(NamespaceType::state_key);
    assert_eq!(keys, ["NEWUSER", "NEWIPC", "NEWUTS", "NEWNET", "NEWPID", "NEWNS", "NEWCGROUP", "NEWTIME"]);
    assert_eq!(keys.map(NamespaceType::from_state_key), NamespaceType::ALL.map(Some));
}

#[test]
fn unknown_key_of_state_json_has_no_type() {
    assert_eq!(NamespaceType::from_state_key("NEWMNT"), None);
    assert_eq!(NamespaceType::from_state_key(""), None);
}

#[test]
fn types_convert_to_oci_spec_and_back() {
    for kind in NamespaceType::ALL {
        let oci = LinuxNamespaceType::from(kind);
        assert_eq!(NamespaceType::from(oci), kind);
        assert_eq!(serde_json::to_value(oci).unwrap(), kind.oci_name());
    }
}

#[test]
fn path_of_process_is_in_proc() {
    assert_eq!(NamespaceType::Mount.path_of_process(42), PathBuf::from("/proc/42/ns/mnt"));
    assert_eq!(NamespaceType::Net.path_of_process(1), PathBuf::from("/proc/1/ns/net"));
}

#[test]
fn support_is_what_proc_self_ns_lists() {
    let listed: Vec<String> = std::fs::read_dir("/proc/self/ns")
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    for kind in NamespaceType::ALL {
        assert_eq!(kind.is_supported(), listed.iter().any(|name| name == kind.file_name()), "{kind}");
    }
    assert!(NamespaceType::Mount.is_supported());
}

#[test]
fn config_with_new_and_joined_namespaces_keeps_both_apart() {
    let namespaces = config(
        r#"[{"type": "pid"}, {"type": "network", "path": "/run/netns/a"}, {"type": "mount"}, {"type": "user"}]"#,
    )
    .unwrap();

    assert!(namespaces.contains(NamespaceType::Net));
    assert!(!namespaces.contains(NamespaceType::Uts));
    assert!(namespaces.is_new(NamespaceType::Pid));
    assert!(!namespaces.is_new(NamespaceType::Net));
    assert!(!namespaces.is_new(NamespaceType::Uts));
    assert_eq!(namespaces.path_of(NamespaceType::Net), Some(Path::new("/run/netns/a")));
    assert_eq!(namespaces.path_of(NamespaceType::Pid), None);
    assert_eq!(
        namespaces.clone_flags(),
        CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWUSER
    );
}

#[test]
fn config_with_a_type_twice_is_refused_with_its_place() {
    let error = config(r#"[{"type": "pid"}, {"type": "mount"}, {"type": "pid", "path": "/x"}]"#).unwrap_err();
    assert_eq!(error.to_string(), "linux.namespaces[2]: a second namespace of type pid");
}

#[test]
fn config_with_an_empty_path_is_a_new_namespace() {
    let namespaces = config(r#"[{"type": "ipc", "path": ""}]"#).unwrap();
    assert!(namespaces.is_new(NamespaceType::Ipc));
}

#[test]
fn config_with_a_comma_in_a_path_is_refused() {
    let error = config(r#"[{"type": "network", "path": "/run/a,user:/proc/1/ns/user"}]"#).unwrap_err();
    assert_eq!(error.to_string(), "linux.namespaces[0].path: /run/a,user:/proc/1/ns/user contains a comma");
}

#[test]
fn config_with_a_nul_in_a_path_is_refused() {
    let error = config(r#"[{"type": "pid"}, {"type": "uts", "path": "/run/a\u0000b"}]"#).unwrap_err();
    assert_eq!(error.to_string(), "linux.namespaces[1].path: /run/a\\0b contains a NUL");
}

#[test]
fn ns_paths_stand_in_join_order() {
    let namespaces = config(
        r#"[{"type": "time", "path": "/7"}, {"type": "cgroup", "path": "/6"}, {"type": "mount", "path": "/5"},
            {"type": "pid", "path": "/4"}, {"type": "network", "path": "/3"}, {"type": "uts", "path": "/2"},
            {"type": "ipc", "path": "/1"}, {"type": "user", "path": "/0"}]"#,
    )
    .unwrap();
    assert_eq!(
        namespaces.ns_paths().unwrap().as_deref(),
        Some(c"user:/0,ipc:/1,uts:/2,net:/3,pid:/4,mnt:/5,cgroup:/6,time:/7")
    );
    assert!(namespaces.clone_flags().is_empty());
}

#[test]
fn ns_paths_with_an_added_comma_are_refused() {
    let mut namespaces = Namespaces::new();
    namespaces.add(NamespaceType::Mount, Some("/a,b".into()));
    assert_eq!(namespaces.ns_paths().unwrap_err().to_string(), "mount namespace path: /a,b contains a comma");
}

#[test]
fn ns_paths_of_new_namespaces_are_none() {
    let namespaces = config(r#"[{"type": "pid"}, {"type": "mount"}]"#).unwrap();
    assert_eq!(namespaces.ns_paths(), Ok(None));
}

#[test]
fn namespace_added_twice_keeps_the_last_path() {
    let mut namespaces = Namespaces::new();
    namespaces.add(NamespaceType::Net, None);
    namespaces.add(NamespaceType::Net, Some("/run/netns/b".into()));
    assert_eq!(namespaces.path_of(NamespaceType::Net), Some(Path::new("/run/netns/b")));
    assert_eq!(namespaces.iter().count(), 1);
}

#[test]
fn namespace_removed_is_gone() {
    let mut namespaces = Namespaces::new();
    namespaces.add(NamespaceType::Net, None);
    assert!(namespaces.remove(NamespaceType::Net));
    assert!(!namespaces.remove(NamespaceType::Net));
    assert!(!namespaces.contains(NamespaceType::Net));
    assert!(namespaces.clone_flags().is_empty());
}

#[test]
fn unsupported_namespaces_are_those_that_the_kernel_lacks() {
    let mut namespaces = Namespaces::new();
    for kind in NamespaceType::ALL {
        namespaces.add(kind, None);
    }
    let missing: Vec<_> = namespaces.unsupported().collect();
    let expected: Vec<_> = NamespaceType::ALL.into_iter().filter(|kind| !kind.is_supported()).collect();
    assert_eq!(missing, expected);
}
