//! Whole containers.

use crate::plan::{NEWUSER, Plan, c};
use skeg_proto::step::StepBuf;
use skeg_proto::sync::ToRuntime;

#[test]
fn a_container_in_new_namespaces_runs_its_program() {
    let outcome = Plan::new(&["true"]).pivot().run();
    assert_eq!(outcome.failure(), None);
    assert_eq!(outcome.code(), Some(0), "{outcome:?}");
    assert!(matches!(outcome.frames[..], [ToRuntime::Created { .. }, ToRuntime::Ready]), "{outcome:?}");
}

#[test]
fn a_container_in_a_new_user_namespace_runs_its_program() {
    let outcome = Plan::new(&["id", "-u"]).in_new(NEWUSER).pivot().run();
    assert_eq!(outcome.failure(), None);
    assert_eq!(outcome.stdout, "0\n", "{outcome:?}");
}

#[test]
fn the_hostname_is_set() {
    let outcome = Plan::new(&["hostname"]).pivot().with(StepBuf::Hostname { name: c("skeg") }).run();
    assert_eq!((outcome.stdout.as_str(), outcome.code()), ("skeg\n", Some(0)));
}

#[test]
fn the_programs_exit_code_is_its_own() {
    assert_eq!(Plan::new(&["false"]).pivot().run().code(), Some(1));
}
