//! `skeg list`: all containers below `--root`.

use super::{output, store};
use crate::cli::Global;
use crate::cli::command;
use crate::cli::format::Format;
use crate::container::store::Error;
use crate::container::{Directory, Id, OciState, State, Status, Store};
use crate::lifecycle;
use crate::lifecycle::inspect::look;
use crate::logging;
use anyhow::Result;
use std::fs;

/// Prints the containers.
pub fn run(global: &Global, args: &command::List) -> Result<()> {
    let store = store(global);
    let ids = store.list()?;
    if args.quiet {
        let lines: String = ids.iter().map(|id| format!("{id}\n")).collect();
        return output::print(lines.as_bytes());
    }
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let rows: Vec<Row> = ids.iter().filter_map(|id| row(&store, id, &users)).collect();
    let states: Vec<OciState<'_>> = rows.iter().map(|row| row.state.to_oci(row.status, &row.owner)).collect();
    match args.format {
        Format::Table => output::print(table(&states).as_bytes()),
        Format::Json if states.is_empty() => output::print(b"null\n"),
        Format::Json => {
            let mut json = serde_json::to_vec(&states)?;
            json.push(b'\n');
            output::print(&json)
        }
    }
}

struct Row {
    state: State,
    status: Status,
    owner: String,
}

/// A container that can't be read must not hide the others: it is reported on stderr and left out. One that is just
/// being made, or was removed since the names were read, is no container.
fn row(store: &Store, id: &Id, users: &str) -> Option<Row> {
    let read = |directory: Directory| -> Result<Row, lifecycle::Error> {
        let (state, status) = look(&directory)?;
        Ok(Row { status, owner: user_name(users, directory.owner()?), state })
    };
    match store.open(id).map_err(lifecycle::Error::from).and_then(read) {
        Ok(row) => Some(row),
        Err(lifecycle::Error::Store(Error::DoesNotExist)) => None,
        Err(error) => {
            logging::print_stderr(&format!("load container {id}: {error}"));
            None
        }
    }
}

/// The name of a user, or `#` and the number. Read from passwd(5) itself: the C library's ways need a shared library,
/// which a static program can't load.
fn user_name(users: &str, uid: u32) -> String {
    let uid_text = uid.to_string();
    let mut fields = users.lines().map(|line| line.split(':'));
    let found = fields.find_map(|mut fields| {
        let name = fields.next()?;
        (fields.nth(1)? == uid_text).then(|| name.to_owned())
    });
    found.unwrap_or_else(|| format!("#{uid}"))
}

/// Columns as Go's tabwriter makes them for runc: at least 12 wide, three spaces between them, the last one unpadded.
fn table(states: &[OciState<'_>]) -> String {
    let header = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"].map(str::to_owned);
    let rows: Vec<[String; 6]> = [header].into_iter().chain(states.iter().map(OciState::columns)).collect();
    let width = |column: usize| {
        let longest = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
        (longest.unwrap_or(0) + 3).max(12)
    };
    let widths: [usize; 5] = std::array::from_fn(width);
    let mut text = String::new();
    for row in &rows {
        for (column, cell) in row.iter().enumerate() {
            match widths.get(column) {
                Some(&width) => text.push_str(&format!("{cell:width$}")),
                None => text.push_str(cell),
            }
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::state::sample;

    #[test]
    fn empty_table_is_the_header() {
        assert_eq!(table(&[]), "ID          PID         STATUS      BUNDLE      CREATED     OWNER\n");
    }

    #[test]
    fn table_is_aligned_as_by_tabwriter() {
        let long = State { bundle: "/tmp/cli/b".into(), pid: 12193, ..sample("x1") };
        let text = table(&[long.to_oci(Status::Created, "root")]);
        assert_eq!(
            text,
            "ID          PID         STATUS      BUNDLE       CREATED                          OWNER\n\
             x1          12193       created     /tmp/cli/b   2026-01-02T03:04:05.000000006Z   root\n"
        );
    }

    #[test]
    fn bundle_can_not_break_the_table() {
        let state = State { bundle: "/a\nb".into(), ..sample("x") };
        assert_eq!(table(&[state.to_oci(Status::Stopped, "")]).lines().count(), 2);
    }

    #[test]
    fn owner_is_a_name_or_a_number() {
        let users = "root:x:0:0:root:/root:/bin/sh\nbroken\nme:x:1000:100::/:\n";
        assert_eq!(user_name(users, 0), "root");
        assert_eq!(user_name(users, 1000), "me");
        assert_eq!(user_name(users, 100), "#100");
    }

    #[test]
    fn unreadable_container_is_left_out_and_the_others_are_listed() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::new(root.path().to_owned(), false);
        for name in ["good", "bad", "making"] {
            let (directory, lock) = store.create(&name.parse().unwrap()).unwrap();
            match name {
                "good" => directory.save(&lock, &sample(name)).unwrap(),
                "bad" => fs::write(directory.path().join("state.json"), "{").unwrap(),
                _ => {}
            }
        }
        let ids = store.list().unwrap();
        let shown: Vec<_> = ids.iter().filter_map(|id| row(&store, id, "")).collect();
        assert_eq!(ids.len(), 3);
        assert_eq!(shown.len(), 1);
        assert_eq!(shown[0].state.id, "good");
    }
}
