use super::*;

fn options(words: &str) -> MountOptions {
    let words: Vec<String> = words.split_whitespace().map(String::from).collect();
    parse(&words)
}

#[test]
fn the_table_is_sorted() {
    assert!(TABLE.is_sorted_by(|(one, _), (next, _)| one < next));
}

#[test]
fn a_later_word_holds() {
    let ro = options("rw ro");
    assert_eq!((ro.attr_set, ro.attr_clear), (MOUNT_ATTR_RDONLY, 0));
    let rw = options("ro rw");
    assert_eq!((rw.attr_set, rw.attr_clear), (0, MOUNT_ATTR_RDONLY));
    assert_eq!(options("sync dirsync async").superblock, ["dirsync"]);
}

#[test]
fn every_negatable_attribute_is_set_and_cleared() {
    for (on, off, attribute) in [
        ("ro", "rw", MOUNT_ATTR_RDONLY),
        ("nosuid", "suid", MOUNT_ATTR_NOSUID),
        ("nodev", "dev", MOUNT_ATTR_NODEV),
        ("noexec", "exec", MOUNT_ATTR_NOEXEC),
        ("nodiratime", "diratime", MOUNT_ATTR_NODIRATIME),
        ("nosymfollow", "symfollow", MOUNT_ATTR_NOSYMFOLLOW),
    ] {
        let set = options(on);
        assert_eq!(
            (set.attr_set, set.attr_clear, set.tree_set, set.tree_clear),
            (attribute, 0, 0, 0),
            "{on}"
        );
        let clear = options(off);
        assert_eq!((clear.attr_set, clear.attr_clear), (0, attribute), "{off}");
        let set = options(&format!("r{on}"));
        assert_eq!(
            (set.attr_set, set.attr_clear, set.tree_set, set.tree_clear),
            (0, 0, attribute, 0),
            "r{on}"
        );
        let clear = options(&format!("r{off}"));
        assert_eq!((clear.tree_set, clear.tree_clear), (0, attribute), "r{off}");
    }
}

#[test]
fn one_atime_is_chosen_and_the_class_is_cleared() {
    for (word, attribute) in [
        ("noatime", MOUNT_ATTR_NOATIME),
        ("strictatime", MOUNT_ATTR_STRICTATIME),
        ("relatime", 0),
        ("atime", 0),
        ("nostrictatime", 0),
    ] {
        let top = options(word);
        assert_eq!((top.attr_set, top.attr_clear), (attribute, MOUNT_ATTR__ATIME), "{word}");
        let tree = options(&format!("r{word}"));
        assert_eq!((tree.tree_set, tree.tree_clear), (attribute, MOUNT_ATTR__ATIME), "r{word}");
    }
    let both = options("noatime strictatime");
    assert_eq!((both.attr_set, both.attr_clear), (MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME));
    assert_eq!(options("norelatime"), MountOptions::default());
}

#[test]
fn propagation_is_kept_in_order() {
    let flags = [MS_SHARED | MS_REC, MS_SLAVE, MS_UNBINDABLE, MS_PRIVATE].map(|flags| flags as u32);
    assert_eq!(options("rshared slave unbindable private").propagation, flags);
}

#[test]
fn rbind_is_recursive_wherever_it_stands() {
    assert_eq!(options("bind").bind, Some(Bind::Single));
    assert_eq!(options("bind rbind").bind, Some(Bind::Recursive));
    assert_eq!(options("rbind bind").bind, Some(Bind::Recursive));
    assert_eq!(options("ro").bind, None);
}

#[test]
fn the_type_bind_binds() {
    let mut mount = Mount::default();
    mount.set_typ(Some("bind".into()));
    assert_eq!(of(&mount).bind, Some(Bind::Single));
    mount.set_options(Some(vec!["rbind".into()]));
    assert_eq!(of(&mount).bind, Some(Bind::Recursive));
}

#[test]
fn unknown_words_are_data_in_order() {
    assert_eq!(options("size=64k ro mode=755 newinstance").data, ["size=64k", "mode=755", "newinstance"]);
    // A prefix of a known word, and a known word with a value, are unknown ones.
    assert_eq!(options("r bin sync=1").data, ["r", "bin", "sync=1"]);
}

#[test]
fn data_is_split_where_mount_would() {
    assert_eq!(
        options(r#"size=64k,mode=755,, context="s0:c1,c2",uid=1"#).data,
        ["size=64k", "mode=755", "context=\"s0:c1,c2\"", "uid=1"]
    );
    assert_eq!(
        options(r"lowerdir=/a\,b:/c,upperdir=/d\\,x").data,
        [r"lowerdir=/a\,b:/c", r"upperdir=/d\\", "x"]
    );
}

#[test]
fn only_a_disk_becomes_read_only_itself() {
    let options = options("ro sync errors=remount-ro");
    assert_eq!(options.filesystem_parameters("ext4"), ["sync", "ro", "errors=remount-ro"]);
    assert_eq!(options.filesystem_parameters("tmpfs"), ["sync", "errors=remount-ro"]);
    assert_eq!(options.filesystem_attributes(), MOUNT_ATTR_RDONLY);
}

#[test]
fn recursive_attributes_hold_for_a_new_filesystem_too() {
    assert_eq!(options("nosuid rro").filesystem_attributes(), MOUNT_ATTR_NOSUID | MOUNT_ATTR_RDONLY);
    assert_eq!(options("noatime rstrictatime").filesystem_attributes(), MOUNT_ATTR_STRICTATIME);
    assert_eq!(options("ro rrw").filesystem_attributes(), 0);
}

#[test]
fn the_rest_is_noted() {
    let options = options("remount tmpcopyup ridmap silent iversion acl defaults");
    assert!(options.remount && options.tmpcopyup);
    assert_eq!(options.idmap, Some(Bind::Recursive));
    assert!(options.data.is_empty() && options.superblock.is_empty());
}

#[test]
fn features_lists_what_runc_and_crun_list() {
    // mountOptions of `runc features`, and rnosymfollow's kin are in it; the words with hyphens are crun's.
    let expected = "acl async atime bind copy-symlink defaults dest-nofollow dev diratime dirsync exec iversion lazytime loud mand noacl noatime \
        nodev nodiratime noexec noiversion nolazytime nomand norelatime nostrictatime nosuid nosymfollow private \
        ratime rbind rdev rdiratime relatime remount rexec rnoatime rnodev rnodiratime rnoexec rnorelatime \
        rnostrictatime rnosuid rnosymfollow ro rprivate rrelatime rro rrw rshared rslave rstrictatime rsuid \
        rsymfollow runbindable rw shared silent slave src-nofollow strictatime suid symfollow sync tmpcopyup unbindable";
    assert_eq!(names().collect::<Vec<_>>(), expected.split_whitespace().collect::<Vec<_>>());
}
