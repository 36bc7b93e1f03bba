//! What is written reads back as what it was; what is read writes back to the same bytes.

use crate::generate::{CHOICES, plan, row, step_bytes};
use arbitrary::Unstructured;
use proptest::prelude::*;
use skeg_proto::step::{StepBuf, TABLE};
use skeg_proto::write::{stream, write_step};
use skeg_proto::{Message, Step, Stream};

fn choices() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), CHOICES)
}

proptest! {
    #[test]
    fn any_plan_reads_back_as_it_was_written(choices in choices()) {
        let (init, steps) = plan(&mut Unstructured::new(&choices)).unwrap();

        let bytes = stream(&init, &steps).unwrap();
        let read = Stream::read(&bytes).unwrap();
        let back: Vec<(u32, StepBuf)> = read.steps().map(|(number, step)| (number, step.into())).collect();

        prop_assert_eq!(back, (1u32..).zip(steps).collect::<Vec<_>>());
        prop_assert_eq!(read.init.clone_flags, init.clone_flags);
        prop_assert_eq!(read.init.ns_paths, init.ns_paths.as_deref());
        prop_assert_eq!(read.init.uid_map, init.uid_map.as_deref());
        prop_assert_eq!(read.init.gid_map, init.gid_map.as_deref());
        prop_assert_eq!(read.init.setgroups, init.setgroups.unwrap_or(false));
        prop_assert_eq!(read.init.oom_score_adj, init.oom_score_adj.as_deref());
        prop_assert_eq!(read.init.rootless_euid, init.rootless_euid);
        prop_assert_eq!(read.init.uidmap_path, init.uidmap_path.as_deref());
        prop_assert_eq!(read.init.gidmap_path, init.gidmap_path.as_deref());
        prop_assert_eq!(read.init.time_offsets, init.time_offsets.as_deref());
    }

    #[test]
    fn any_step_writes_back_to_the_bytes_it_was_read_from(index in 0..TABLE.len(), choices in choices()) {
        let bytes = step_bytes(&mut Unstructured::new(&choices), &TABLE[index]).unwrap();

        let (message, rest) = Message::split(&bytes).unwrap();
        let step = StepBuf::from(Step::read(&message).unwrap());
        let mut written = Vec::new();
        write_step(&step, message.seq, &mut written).unwrap();

        prop_assert_eq!(rest, b"");
        prop_assert_eq!(written, bytes);
    }
}

/// The rows' bytes are made from the table, so a step that is missing in it would go unseen above.
#[test]
fn every_row_of_the_table_reads_as_a_step_of_its_name() {
    let zeros = [0; CHOICES];
    for row in TABLE {
        let bytes = step_bytes(&mut Unstructured::new(&zeros), row).unwrap();
        let (message, _) = Message::split(&bytes).unwrap();
        let step = Step::read(&message).unwrap();
        assert_eq!(step.kind(), row.kind, "{}", row.name);
        assert_eq!(StepBuf::from(step).name(), row.name);
        assert!(format!("{step:?}").starts_with(row.name), "{step:?}");
    }
}

#[test]
fn numbers_and_names_of_the_table_are_unique() {
    let mut kinds: Vec<u16> = TABLE.iter().map(|row| row.kind).collect();
    let mut names: Vec<&str> = TABLE.iter().map(|row| row.name).collect();
    kinds.sort_unstable();
    kinds.dedup();
    names.sort_unstable();
    names.dedup();
    assert_eq!((kinds.len(), names.len()), (TABLE.len(), TABLE.len()));
}

#[test]
fn fields_of_a_step_carry_the_tables_names() {
    let zeros = [0; CHOICES];
    let bytes = step_bytes(&mut Unstructured::new(&zeros), row("Symlink")).unwrap();
    let (message, _) = Message::split(&bytes).unwrap();
    let step = StepBuf::from(Step::read(&message).unwrap());
    let names: Vec<&str> = step.fields().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["path", "target", "exact", "replace"]);
}
