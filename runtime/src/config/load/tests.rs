//! What callers write, what generators of mistakes write, and how long both may take.

use std::path::PathBuf;

use serde_json::json;

use super::*;
use crate::config::check::{Context, check};
use crate::config::{Problem, notes};

/// The recorded configurations.
fn fixtures() -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/configs");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        files.filter(|file| file.extension().is_some_and(|is| is == "json")).collect();
    files.sort();
    files.into_iter().map(|file| (file.clone(), fs::read(&file).unwrap())).collect()
}

fn parsed(text: &str) -> Result<Spec, String> {
    parse(text.as_bytes(), Path::new("config.json")).map_err(|error| error.to_string())
}

#[test]
fn what_callers_write_has_no_mistakes() {
    let fixtures = fixtures();
    assert!(fixtures.len() >= 15, "fixtures are missing");
    for (file, text) in fixtures {
        let spec = parse(&text, &file).unwrap_or_else(|error| panic!("{error}"));
        let rootless = file.to_string_lossy().contains("rootless");
        let context = Context { rootless, apparmor: true, selinux: true, ..Context::default() };
        let problems =
            check(&spec, context).err().map(|errors| errors.problems().to_vec()).unwrap_or_default();
        // The fixtures hold what is still to come; what is wrong with them otherwise is a mistake of ours.
        let mistakes: Vec<_> =
            problems.iter().filter(|problem| !problem.message.ends_with("not supported yet")).collect();
        assert_eq!(mistakes, Vec::<&Problem>::new(), "{}", file.display());
    }
}

#[test]
fn nulls_are_what_go_takes_them_for() {
    let spec = parsed(
        r#"{"ociVersion": "1.0.0", "hostname": null, "hooks": null, "mounts": null, "annotations": null,
            "root": {"path": "rootfs", "readonly": null},
            "process": {"terminal": null, "user": null, "args": ["sh"], "env": null, "cwd": "/",
                "capabilities": null, "rlimits": null},
            "linux": {"namespaces": [{"type": "mount", "path": null}], "devices": null, "seccomp": null,
                "resources": {"devices": [{"allow": null, "type": null, "access": "rwm"}], "memory": {"limit": null}}}}"#,
    )
    .unwrap();
    assert_eq!(spec.process().as_ref().unwrap().user().uid(), 0);
    check(&spec, Context::default()).unwrap();
}

#[test]
fn absent_pids_limit_is_no_limit_of_0() {
    for (limit, expected) in
        [(json!({}), None), (json!({"limit": null}), None), (json!({"limit": 0}), Some(0))]
    {
        let text = json!({"linux": {"resources": {"pids": limit}}}).to_string();
        let spec = parsed(&text).unwrap();
        let resources = spec.linux().as_ref().unwrap().resources().as_ref().unwrap();
        assert_eq!(resources.pids().as_ref().map(|pids| pids.limit()), expected, "{text}");
        let resources =
            parse_resources(json!({"pids": limit}).to_string().as_bytes(), Path::new("-")).unwrap();
        assert_eq!(resources.pids().as_ref().map(|pids| pids.limit()), expected);
    }
}

#[test]
fn only_known_capabilities_remain() {
    let text = br#"{"args": ["sh"], "cwd": "/", "capabilities": {"bounding": ["CAP_KILL", "CAP_FLY"], "ambient": []}}"#;
    let process = parse_process(text, Path::new("p.json")).unwrap();
    let bounding = process.capabilities().as_ref().unwrap().bounding().clone().unwrap();
    assert_eq!(bounding.into_iter().map(|capability| capability.to_string()).collect::<Vec<_>>(), ["KILL"]);
}

#[test]
fn unknown_properties_are_found_where_they_are() {
    let text = r#"{"linux": {"namespaces": [{"type": "pid", "foo": [1]}]}, "a.b": {"c": 1}, "annotations": {"x": "y"}}"#;
    let paths = |text: &[u8]| notes(text).into_iter().map(|note| note.path).collect::<Vec<_>>();
    assert_eq!(paths(text.as_bytes()), ["[\"a.b\"]", "linux.namespaces[0].foo"]);
    for (file, text) in fixtures() {
        assert_eq!(paths(&text), Vec::<String>::new(), "{}", file.display());
    }
}

#[test]
fn what_has_no_effect_is_told_with_what_may_be_meant() {
    let text = br#"{"process": {"arg": [], "cwd": "/", "cwd": "/tmp"}, "linux": {"maskedPath": [], "sysctl": {"a": "", "a": ""}}}"#;
    let notes: Vec<String> = notes(text).iter().map(Problem::to_string).collect();
    assert_eq!(
        notes,
        [
            "linux.maskedPath: unknown property, ignored (did you mean \"maskedPaths\"?)",
            "process.arg: unknown property, ignored (did you mean \"args\"?)",
            "process.cwd: is there twice: the last one counts",
            "linux.sysctl.a: is there twice: the last one counts",
        ]
    );
}

/// A text in which everything is wrong takes no longer than it takes to read it a few times.
#[test]
fn a_large_text_full_of_mistakes_is_refused_soon() {
    let text =
        json!({"mounts": (0..200_000).map(|_| json!({"destination": 7})).collect::<Vec<_>>()}).to_string();
    let start = std::time::Instant::now();
    assert!(parsed(&text).unwrap_err().starts_with("config.json: mounts[0].destination: expected a string"));
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
}

#[test]
fn what_is_not_utf8_has_a_position() {
    let text = b"{\n  \"hostname\": \"\xc3\xa4\xff\"}";
    let error = parse(text, Path::new("config.json")).unwrap_err();
    assert_eq!(error.to_string(), "config.json: line 2 column 18: invalid UTF-8");
}

#[test]
fn a_missing_file_is_told_in_runcs_words() {
    let error = load(Path::new("/nonexistent")).unwrap_err();
    assert_eq!(error.to_string(), "JSON specification file config.json not found");
    let folder = std::env::temp_dir().join(format!("skeg-config-{}", std::process::id()));
    fs::create_dir_all(folder.join("config.json")).unwrap();
    let error = load(&folder).unwrap_err();
    fs::remove_dir_all(&folder).unwrap();
    assert_eq!(error.to_string(), format!("{}/config.json: EISDIR: is a directory", folder.display()));
}

/// xorshift64: the same mistakes in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    fn value(&mut self, old: &Value) -> Value {
        let values = [
            json!(null),
            json!(true),
            json!(-1),
            json!(u64::MAX),
            json!(1.5),
            json!(""),
            json!("a\u{0}\n"),
            json!("../../etc"),
            json!("x".repeat(5000)),
            json!([]),
            json!({}),
            json!([old, old]),
            json!({"a": old}),
            json!(4_294_967_295_u64),
            json!("foo"),
            json!([null]),
        ];
        values[self.below(values.len())].clone()
    }
}

/// Changes one random place below `value`, never `value` itself.
fn spoil(value: &mut Value, random: &mut Random) {
    let children: Vec<&mut Value> = match value {
        Value::Object(members) => members.iter_mut().map(|(_, member)| member).collect(),
        Value::Array(elements) => elements.iter_mut().collect(),
        _ => return,
    };
    let chosen = random.below(children.len().max(1));
    let Some(child) = children.into_iter().nth(chosen) else { return };
    let is_leaf = !child.is_object() && !child.is_array();
    if is_leaf || random.below(4) == 0 {
        *child = random.value(child);
    } else {
        spoil(child, random);
    }
}

#[test]
fn a_thousand_spoilt_configurations_each_say_where() {
    let mut random = Random(0x5eed);
    let fixtures = fixtures();
    let mut refused = 0;
    for round in 0..1000 {
        let (_, text) = &fixtures[round % fixtures.len()];
        let mut text = text.clone();
        if round % 5 == 0 {
            // Not JSON any more, most of the time.
            let at = random.below(text.len());
            text[at] = u8::try_from(random.below(256)).unwrap();
            text.truncate(text.len() - random.below(2) * random.below(text.len()));
        } else {
            let mut value: Value = serde_json::from_slice(&text).unwrap();
            (0..=random.below(3)).for_each(|_| spoil(&mut value, &mut random));
            text = serde_json::to_vec(&value).unwrap();
        }
        refused += usize::from(is_refused(&text));
    }
    // The rest are changes that leave a configuration valid: an annotation, an argument, a null.
    assert!((500..1000).contains(&refused), "{refused} of 1000 were refused");
}

fn is_refused(text: &[u8]) -> bool {
    let shown = String::from_utf8_lossy(text);
    match parse(text, Path::new("config.json")) {
        Err(Error::Syntax { line, .. }) => assert!(line > 0, "{shown}"),
        Err(Error::Values(errors)) => {
            assert!(errors.problems().iter().all(|problem| !problem.path.is_empty()), "{errors} in {shown}");
            assert!(errors.to_string().len() < 8000 && !errors.to_string().contains('\n'), "{errors}");
        }
        Err(other) => panic!("{other}"),
        Ok(spec) => match check(&spec, Context::default()) {
            Ok(()) => return false,
            Err(errors) => {
                assert!(errors.problems().iter().all(|problem| !problem.path.is_empty()), "{errors}");
                assert!(!errors.to_string().contains('\n'), "{errors}");
            }
        },
    }
    true
}

/// `cargo test --release -p skeg --lib config -- --nocapture` measures; other builds have nothing to measure.
#[cfg(not(debug_assertions))]
#[test]
fn loading_and_checking_docker_s_configuration_is_fast() {
    let (_, text) = fixtures().into_iter().find(|(file, _)| file.ends_with("docker-default.json")).unwrap();
    let best = |work: &mut dyn FnMut()| {
        let once = |work: &mut dyn FnMut()| {
            let start = std::time::Instant::now();
            work();
            start.elapsed()
        };
        (0..2000).map(|_| once(work)).min().unwrap()
    };
    let spec = parse(&text, Path::new("config.json")).unwrap();
    let context = Context { apparmor: true, ..Context::default() };
    let parsing = best(&mut || drop(parse(&text, Path::new("config.json"))));
    let checking = best(&mut || drop(check(&spec, context)));
    println!("parse {parsing:?} ({} bytes), check {checking:?}", text.len());
    assert!(parsing.as_micros() < 100, "{parsing:?}");
    assert!(checking.as_micros() < 30, "{checking:?}");
}
