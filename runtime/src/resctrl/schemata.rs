//! Lines of the file schemata, compared by what they mean: the kernel pads names and numbers.

/// Whether every domain of `line` has in `file` the value that it has here: `L3:0=f;1=3`, `MB:0=20`.
pub(super) fn has(file: &str, line: &str) -> bool {
    let Some((resource, domains)) = entry(line) else { return false };
    let Some((_, there)) = file.lines().filter_map(entry).find(|(name, _)| *name == resource) else {
        return false;
    };
    domains.iter().all(|domain| there.contains(domain))
}

/// A resource, and the values of its domains.
fn entry(line: &str) -> Option<(&str, Vec<(&str, &str)>)> {
    let (resource, domains) = line.split_once(':')?;
    let domains =
        domains.split(';').map(|domain| domain.split_once('=').map(|(id, value)| (id, plain(value))));
    let domains: Option<Vec<_>> =
        domains.map(|domain| domain.map(|(id, value)| (plain(id), value))).collect();
    Some((resource.trim(), domains?))
}

/// A number without what it is padded with.
fn plain(number: &str) -> &str {
    let number = number.trim();
    match number.trim_start_matches('0') {
        "" if !number.is_empty() => "0",
        rest => rest,
    }
}

#[cfg(test)]
mod tests {
    use super::has;

    const FILE: &str = "    MB:0=100;1= 50\n    L3:0=07ff;1=7ff\n";

    #[test]
    fn padding_is_no_difference() {
        assert!(has(FILE, "L3:0=7ff;1=07ff"));
        assert!(has(FILE, "MB:1=50"));
        assert!(has("L3:0=0", "L3:0=00"));
    }

    #[test]
    fn another_value_domain_or_resource_is_one() {
        for line in ["L3:0=7fe", "L3:2=7ff", "L2:0=7ff", "MB:0=10", "nonsense", "L3:0"] {
            assert!(!has(FILE, line), "{line}");
        }
    }
}
