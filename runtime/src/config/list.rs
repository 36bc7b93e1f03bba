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
    fn ranges_that_run_backwards_are_none() {
        assert_eq!(ranges("3-1"), None);
        assert_eq!(ranges("1,,2"), None);
        assert_eq!(ranges("0-3,7"), Some(vec![(0, 3), (7, 7)]));
    }
}
