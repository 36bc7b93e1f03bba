//! What can be told of a container without making one.

use super::*;
use crate::sys::seccomp_flag_is_known;

#[test]
fn flag_of_a_listener_is_asked_for_where_the_kernel_has_it() {
    let config = br#"{"ociVersion": "1.3.0", "linux": {"seccomp": {
        "defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/run/agent",
        "flags": ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"],
        "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}]}}}"#;
    let spec = config::parse(config, Path::new("config.json")).unwrap();
    let filter = compile_seccomp(&spec).unwrap().unwrap();
    let expected = if seccomp_flag_is_known(seccomp::FLAG_WAIT_KILLABLE_RECV) {
        seccomp::FLAG_WAIT_KILLABLE_RECV
    } else {
        0
    };
    assert_eq!(filter.flags, expected | seccomp::FLAG_NEW_LISTENER);
}

#[test]
fn kernel_is_asked_for_a_flag_the_way_it_is_used() {
    let release = nix::sys::utsname::uname().unwrap();
    let mut numbers =
        release.release().to_str().unwrap().split(['.', '-']).map_while(|part| part.parse().ok());
    let version: (u32, u32) = (numbers.next().unwrap(), numbers.next().unwrap());
    // Since Linux 5.19, and only together with a listener (seccomp(2)).
    assert_eq!(seccomp_flag_is_known(seccomp::FLAG_WAIT_KILLABLE_RECV), version >= (5, 19));
}
