//! Lists of numbers and ranges, `0-3,7`: the format of cpuset(7), for CPUs and for memory nodes.

/// The highest number that a list may hold where it becomes a mask; the kernel has at most 8192 CPUs.
pub(super) const HIGHEST: u32 = 65535;

/// The ranges of a list, first and last; None where it is none. The empty list has none.
pub fn ranges(list: &str) -> Option<Vec<(u32, u32)>> {
    let range = |range: &str| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let number = |text: &str| text.trim().parse::<u32>().ok();
        number(first).zip(number(last)).filter(|(first, last)| first <= last)
    };
    match list.trim() {
        "" => Some(Vec::new()),
        list => list.split(',').map(range).collect(),
    }
}

/// Whether the kernel takes it as a list of CPUs or nodes (bitmap_parselist in lib/bitmap-str.c), which knows more than
/// cpuset(7) tells: `all`, `N` for the last one, and the first `used` of each `group`: `0-31:2/8`.
pub(super) fn is_for_the_kernel(list: &str) -> bool {
    let is_number = |text: &str| text == "N" || text.parse::<u32>().is_ok();
    let is_pattern = |text: &str| {
        let parts = text.split_once('/').map(|(used, group)| (used.parse::<u32>(), group.parse::<u32>()));
        matches!(parts, Some((Ok(used), Ok(group))) if 0 < used && used <= group)
    };
    let is_region = |region: &str| {
        let (range, pattern) =
            region.split_once(':').map_or((region, None), |(range, pattern)| (range, Some(pattern)));
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let known = first.parse::<u32>().ok().zip(last.parse().ok());
        (range == "all"
            || (is_number(first) && is_number(last) && known.is_none_or(|(first, last)| first <= last)))
            && pattern.is_none_or(is_pattern)
    };
    ranges(list).is_some() || list.trim().split(',').all(is_region)
}

/// The bits of a list that has been checked, in whole 64-bit words as the kernel reads them; none for an empty list.
pub fn mask(list: &str) -> Vec<u8> {
    let ranges = ranges(list).unwrap_or_default();
    let highest = ranges.iter().map(|(_, last)| *last).max().filter(|highest| *highest <= HIGHEST);
    let mut words = vec![0u64; highest.map_or(0, |highest| highest as usize / 64 + 1)];
    for bit in ranges.into_iter().flat_map(|(first, last)| first..=last.min(HIGHEST)) {
        if let Some(word) = words.get_mut(bit as usize / 64) {
            *word |= 1 << (bit % 64);
        }
    }
    words.into_iter().flat_map(u64::to_ne_bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mask_has_the_bits_of_all_ranges() {
        assert_eq!(mask("0-2,9"), [7, 2, 0, 0, 0, 0, 0, 0]);
        assert_eq!(mask(" 64 ").len(), 16);
        assert!(mask("").is_empty());
    }

    #[test]
    fn the_kernel_takes_more_than_ranges() {
        for list in ["", "0-3,7", "all", "0-N", "N", "0-31:2/8,40", "all:1/2"] {
            assert!(is_for_the_kernel(list), "{list}");
        }
        for list in ["3-1", "all,", "0-3:2", "0-3:3/2", "0-3:0/2", "N-", "none", "3-1:1/2"] {
            assert!(!is_for_the_kernel(list), "{list}");
        }
    }

    #[test]
    fn ranges_that_run_backwards_are_none() {
        assert_eq!(ranges("3-1"), None);
        assert_eq!(ranges("1,,2"), None);
        assert_eq!(ranges("0-3,7"), Some(vec![(0, 3), (7, 7)]));
    }
}
