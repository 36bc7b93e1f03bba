//! Which filter a container gets, without making one.

use super::*;
use crate::container::Id;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use tempfile::TempDir;

/// A state root and a bundle.
struct Place {
    folder: TempDir,
    store: Store,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().join("root"), false);
        Self { folder, store }
    }

    fn config(&self, text: &str) -> &Self {
        fs::write(self.folder.path().join("config.json"), text).unwrap();
        self
    }

    fn profile(&self, action: &str) -> &Self {
        self.config(&config(action))
    }

    /// What create does with the filter. Whether it was in the cache, and what the container got.
    fn create(&self, id: &str) -> (bool, Filter) {
        let (spec, source) = load_config(&self.store, self.folder.path()).unwrap();
        let filter = source.filter(&spec).unwrap().unwrap();
        let (directory, _lock) = self.store.create(&id.parse::<Id>().unwrap()).unwrap();
        source.save(&directory, &filter).unwrap();
        source.remember(&self.store, &directory, &filter);
        let saved = of_container(&directory).unwrap().unwrap();
        assert_eq!(saved, *filter);
        (matches!(source, Source::Cache(_)), saved)
    }

    fn entries(&self) -> Vec<PathBuf> {
        let names = fs::read_dir(self.store.root()).unwrap().map(|entry| entry.unwrap().path());
        names.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with('@')).collect()
    }

    fn only_entry(&self) -> PathBuf {
        let [entry] = self.entries().try_into().unwrap();
        entry
    }
}

fn config(action: &str) -> String {
    format!(
        r#"{{"ociVersion": "1.3.0", "linux": {{"seccomp": {{
            "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{{"names": ["mkdir"], "action": "{action}"}}]}}}},
            "hostname": "a"}}"#
    )
}

#[test]
fn a_profile_is_compiled_once() {
    let place = Place::new();
    let (cached, first) = place.profile("SCMP_ACT_ERRNO").create("a");
    assert!(!cached);
    let (cached, second) = place.create("b");
    assert!(cached);
    assert_eq!(first, second);
    // Only the profile counts.
    place.config(&config("SCMP_ACT_ERRNO").replace(r#""hostname": "a""#, r#""hostname": "other""#));
    assert!(place.create("c").0);
}

#[test]
fn another_profile_has_another_filter_wherever_its_hash_leads() {
    let place = Place::new();
    let first = place.profile("SCMP_ACT_ERRNO").create("a").1;
    let file_of_the_first = fs::read(place.only_entry()).unwrap();
    // Of the same length.
    let (cached, other) = place.profile("SCMP_ACT_TRACE").create("b");
    assert!(!cached);
    assert_ne!(first, other);
    for entry in place.entries() {
        fs::write(&entry, &file_of_the_first).unwrap();
    }
    assert_eq!(place.create("c"), (false, other));
}

#[test]
fn whoever_removes_the_cache_or_the_first_container_takes_nothing_away() {
    let place = Place::new();
    let first = place.profile("SCMP_ACT_ERRNO").create("a").1;
    fs::remove_dir_all(place.store.root().join("a")).unwrap();
    assert_eq!(place.create("b"), (true, first.clone()));
    fs::remove_file(place.only_entry()).unwrap();
    assert_eq!(of_container(&place.store.open(&"b".parse().unwrap()).unwrap()).unwrap(), Some(first.clone()));
    assert_eq!(place.create("c"), (false, first));
}

#[test]
fn an_entry_that_is_not_what_skeg_wrote_is_not_used() {
    let place = Place::new();
    place.profile("SCMP_ACT_ERRNO").create("a");
    let entry = place.only_entry();
    let good = fs::read(&entry).unwrap();
    let spoil: [(&str, &dyn Fn()); 8] = [
        ("writable for others", &|| fs::set_permissions(&entry, Permissions::from_mode(0o602)).unwrap()),
        ("of another user", &|| {
            // Only root can give files away.
            if chown(&entry, Some(1), None).is_err() {
                fs::remove_file(&entry).unwrap();
            }
        }),
        ("a link", &|| {
            let real = place.folder.path().join("real");
            fs::write(&real, &good).unwrap();
            fs::set_permissions(&real, Permissions::from_mode(0o600)).unwrap();
            fs::remove_file(&entry).unwrap();
            symlink(&real, &entry).unwrap();
        }),
        ("a FIFO", &|| {
            fs::remove_file(&entry).unwrap();
            nix::unistd::mkfifo(&entry, Mode::S_IRUSR).unwrap();
        }),
        ("a directory", &|| {
            fs::remove_file(&entry).unwrap();
            fs::create_dir(&entry).unwrap();
        }),
        ("cut off", &|| fs::write(&entry, &good[..good.len() - 1]).unwrap()),
        ("empty", &|| fs::write(&entry, "").unwrap()),
        ("of another compiler", &|| {
            let mut other = good.clone();
            other[0] ^= 1;
            fs::write(&entry, other).unwrap();
        }),
    ];
    for (number, (how, spoil)) in spoil.into_iter().enumerate() {
        spoil();
        let (cached, _) = place.create(&format!("b{number}"));
        assert!(!cached, "{how}");
        if entry.is_dir() {
            fs::remove_dir(&entry).unwrap();
        }
        // In its place is a good one again.
        place.create(&format!("c{number}"));
        assert!(place.create(&format!("d{number}")).0, "after one that was {how}");
    }
}

#[test]
fn mistakes_are_told_from_the_whole_text() {
    let place = Place::new();
    place.profile("SCMP_ACT_ERRNO").create("a");
    // Which is found where it is needed, and not where it is skipped.
    let spoilt = config("SCMP_ACT_ERRNO").replace(r#""hostname": "a""#, r#""hostname": "\ud800""#);
    let error = |place: &Place| load_config(&place.store, place.folder.path()).err().unwrap().to_string();
    let told = error(place.config(&spoilt));
    assert_eq!(told, error(Place::new().config(&spoilt)));
    assert!(told.contains("line 3 column"), "{told}");
}

#[test]
fn flag_of_a_listener_is_asked_for_where_the_kernel_has_it_and_not_remembered() {
    let place = Place::new();
    place.config(
        r#"{"ociVersion": "1.3.0", "linux": {"seccomp": {
        "defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/run/agent",
        "flags": ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"],
        "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}]}}}"#,
    );
    let expected = if seccomp_flag_is_known(seccomp::FLAG_WAIT_KILLABLE_RECV) {
        seccomp::FLAG_WAIT_KILLABLE_RECV
    } else {
        0
    };
    assert_eq!(place.create("a").1.flags, expected | seccomp::FLAG_NEW_LISTENER);
    assert_eq!(place.entries(), Vec::<PathBuf>::new());
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
