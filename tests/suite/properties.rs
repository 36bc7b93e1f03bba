//! Every property of the specification's schema has a test: the table in properties.txt is held against both.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use skeg_tests::Value;

/// Rows that name no test, and why.
const NO_TEST: [&str; 2] = ["VM", "Windows"];
/// Sections of other platforms: they are not POSIX's and not Linux's.
const OTHER_PLATFORMS: [&str; 5] =
    ["config-freebsd", "config-solaris", "config-vm", "config-windows", "config-zos"];

fn tests() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files of the schema, by name.
pub(super) struct Schema;

/// A node of it, in the file where its references begin.
struct Node {
    file: String,
    value: Value,
}

impl Schema {
    fn load(&self, file: &str) -> Value {
        let path = tests().join("fixtures/schema").join(file);
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        serde_json::from_str(&text).expect("JSON")
    }

    /// The properties of a whole file.
    pub(super) fn properties(&self, file: &str) -> BTreeSet<String> {
        let mut properties = BTreeSet::new();
        self.collect(Node { file: file.to_owned(), value: self.load(file) }, "", &mut properties);
        properties
    }

    /// What a node's `$ref` leads to; none for other platforms.
    fn resolve(&self, mut node: Node) -> Option<Node> {
        while let Some(link) = node.value["$ref"].as_str() {
            let (file, pointer) = link.split_once('#').expect("a reference has a fragment");
            if OTHER_PLATFORMS.iter().any(|name| file == format!("{name}.json")) {
                return None;
            }
            let file = if file.is_empty() { node.file.clone() } else { file.to_owned() };
            let value = self.load(&file).pointer(pointer).expect("the reference leads somewhere").clone();
            node = Node { file, value };
        }
        Some(node)
    }

    /// Adds the properties below a node: `process.rlimits[].soft`, `linux.netDevices{}.name`, and for one that has
    /// only some values each of them: `linux.namespaces[].type = pid`.
    fn collect(&self, node: Node, at: &str, found: &mut BTreeSet<String>) {
        let Some(Node { file, value }) = self.resolve(node) else { return };
        let list = |key: &str| value[key].as_array().cloned().unwrap_or_default();
        let map = |key: &str| value[key].as_object().cloned().unwrap_or_default();
        let mut below: Vec<(String, Value)> = Vec::new();
        below.extend(["allOf", "anyOf"].iter().flat_map(|key| list(key)).map(|part| (at.to_owned(), part)));
        let join = |key: &str| if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") };
        below.extend(map("properties").into_iter().map(|(key, node)| (join(&key), node)));
        below.extend(map("patternProperties").into_iter().map(|(_, node)| (format!("{at}{{}}"), node)));
        for (key, mark) in [("items", "[]"), ("additionalProperties", "{}")] {
            below.extend(value[key].is_object().then(|| (format!("{at}{mark}"), value[key].clone())));
        }
        let values = list("enum");
        found.extend(values.iter().map(|value| format!("{at} = {}", value.as_str().expect("a word"))));
        if below.is_empty() && values.is_empty() {
            found.insert(at.to_owned());
        }
        for (at, value) in below {
            self.collect(Node { file: file.clone(), value }, &at, found);
        }
    }
}

fn table() -> Vec<(&'static str, Vec<&'static str>)> {
    let rows =
        include_str!("properties.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    rows.map(|row| row.split_once(": ").expect("property: tests"))
        .map(|(property, tests)| (property, tests.split(' ').collect()))
        .collect()
}

/// Where a test is written.
fn source(test: &str) -> (PathBuf, &str) {
    let (module, name) = test.rsplit_once("::").unwrap_or_else(|| panic!("{test}: module::test"));
    let path = match module.strip_prefix("skeg::") {
        Some(module) => tests().join("../runtime/src").join(module.replace("::", "/")),
        None if module == "seccomp_oracle" => tests().join(module),
        None => tests().join("suite").join(module),
    };
    (path.with_extension("rs"), name)
}

#[test]
fn every_property_of_the_schema_has_a_row_and_every_row_a_property() {
    let properties = Schema.properties("config-schema.json");
    assert!(properties.len() > 200, "{properties:?}");
    let rows: BTreeSet<String> = table().into_iter().map(|(property, _)| property.to_owned()).collect();
    assert_eq!(table().len(), rows.len(), "a row is there twice");
    let [without_row, without_property] = [properties.difference(&rows), rows.difference(&properties)];
    assert_eq!(without_row.collect::<Vec<_>>(), Vec::<&String>::new());
    assert_eq!(without_property.collect::<Vec<_>>(), Vec::<&String>::new());
}

#[test]
fn every_test_of_the_table_is_there() {
    for (property, tests) in table() {
        assert!(!tests.is_empty(), "{property}");
        for test in tests.into_iter().filter(|test| !NO_TEST.contains(test)) {
            let (path, name) = source(test);
            let text =
                fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let is_test = text.contains(&format!("#[test]\nfn {name}()"));
            assert!(is_test || text.contains(&format!("    fn {name}()")), "{property}: no test {test}");
        }
    }
}

#[test]
fn what_the_vm_has_to_show() {
    let waiting: Vec<&str> = table()
        .into_iter()
        .filter(|(_, tests)| tests.contains(&"VM"))
        .map(|(property, _)| property)
        .collect();
    skeg_tests::skip!("no security module here: {}", waiting.join(", "));
}
