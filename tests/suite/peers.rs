//! The table of what other runtimes are known to do otherwise, against the tests that it excuses.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use skeg_tests::peers;

/// The tests that ask the table, `module::test`.
fn asking() -> BTreeSet<String> {
    let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("suite");
    let mut tests = BTreeSet::new();
    for entry in
        fs::read_dir(suite).expect("suite").flatten().filter(|entry| entry.path() != Path::new(file!()))
    {
        let (path, text) = (entry.path(), fs::read_to_string(entry.path()).expect("text"));
        let module = path.file_stem().expect("a name").to_string_lossy();
        for test in text.split("#[test]\nfn ").skip(1) {
            let body = test.split("\n}\n").next().unwrap_or_default();
            let (name, _) = test.split_once('(').expect("a function");
            tests.extend(body.contains("    not_runc!();").then(|| format!("{module}::{name}")));
        }
    }
    tests
}

#[test]
fn every_limit_has_its_test_and_every_test_that_asks_its_limit() {
    let listed: BTreeSet<String> = peers::limits().map(|limit| limit.test.to_owned()).collect();
    assert_eq!(peers::limits().count(), listed.len(), "a test is there twice");
    assert!(peers::limits().all(|limit| !limit.reason.is_empty()));
    assert_eq!(asking(), listed);
}
