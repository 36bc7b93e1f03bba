//! The status of a container, and which operation is possible in which one.

use super::{Id, Identity, process};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Where a container is in its life (runtime-spec, "State"), and runc's `paused`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// `create` is at work; only hooks get to see this.
    Creating,
    /// Ready for `start`.
    Created,
    /// The program runs.
    Running,
    /// The program is frozen.
    Paused,
    /// The program has ended.
    Stopped,
}

/// What can be asked of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each variant is the command of that name")]
pub enum Operation {
    Start,
    Exec,
    Kill,
    Delete,
    Pause,
    Resume,
    Update,
}

/// An operation that the status forbids, in the sentences that callers match.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotAllowed(String);

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Creating => "creating",
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        })
    }
}

impl Status {
    /// Finds the status of a container whose state is on disk.
    ///
    /// `has_fifo`: its exec fifo is there, which `start` removes. `is_frozen`: whether its cgroup is; asked only
    /// while `init` is alive, since it may read several files.
    pub fn find(
        init: Identity,
        has_fifo: impl FnOnce() -> bool,
        is_frozen: impl FnOnce() -> bool,
    ) -> Result<Self, process::Error> {
        Ok(if !init.is_alive()? {
            Self::Stopped
        } else if is_frozen() {
            Self::Paused
        } else if has_fifo() {
            Self::Created
        } else {
            Self::Running
        })
    }
}

/// The transition table: nothing where the operation is possible, else runc's sentence (`{id}` and `{status}` stand
/// for what they say).
const fn refusal(operation: Operation, status: Status) -> Option<&'static str> {
    use Operation::{Delete, Exec, Kill, Pause, Resume, Start, Update};
    use Status::{Created, Creating, Paused, Running, Stopped};
    match (operation, status) {
        (Start, Created) => None,
        (Start, Creating) => Some("cannot start a container that is being created"),
        (Start, Running) => Some("cannot start an already running container"),
        (Start, Paused) => Some("cannot start a container in the paused state"),
        (Start, Stopped) => Some("cannot start a container that has stopped"),

        (Exec, Created | Running) => None,
        (Exec, Creating) => Some("cannot exec in a container that is being created"),
        (Exec, Paused) => Some("cannot exec in a paused container (use --ignore-paused to override)"),
        (Exec, Stopped) => Some("cannot exec in a stopped container"),

        (Kill, Created | Running | Paused) => None,
        (Pause, Created | Running) => None,
        (Update, Created | Running | Paused) => None,
        (Kill | Update, Creating | Stopped) => Some("container not running"),
        (Pause, Creating | Paused | Stopped) => Some("container not running"),

        (Resume, Paused) => None,
        (Resume, Creating | Created | Running | Stopped) => Some("container not paused"),

        (Delete, Created | Stopped) => None,
        (Delete, Creating | Running | Paused) => {
            Some("cannot delete container {id} that is not stopped: {status}")
        }
    }
}

/// Whether `operation` is possible on container `id` in `status`. The force of `delete` and the override of `exec` are
/// the caller's to weigh.
pub fn allowed(operation: Operation, id: &Id, status: Status) -> Result<(), NotAllowed> {
    match refusal(operation, status) {
        None => Ok(()),
        Some(sentence) => {
            Err(NotAllowed(sentence.replace("{id}", id.as_str()).replace("{status}", &status.to_string())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUSES: [Status; 5] =
        [Status::Creating, Status::Created, Status::Running, Status::Paused, Status::Stopped];
    const OPERATIONS: [Operation; 7] = [
        Operation::Start,
        Operation::Exec,
        Operation::Kill,
        Operation::Delete,
        Operation::Pause,
        Operation::Resume,
        Operation::Update,
    ];

    #[test]
    fn transition_table_is_as_printed_here() {
        let mut table = String::new();
        for operation in OPERATIONS {
            for status in STATUSES {
                let word = if refusal(operation, status).is_none() { "yes" } else { "-" };
                table.push_str(&format!("{word:4}"));
            }
            table.push_str(&format!("{operation:?}\n"));
        }
        // creating, created, running, paused, stopped
        let expected = "\
-   yes -   -   -   Start
-   yes yes -   -   Exec
-   yes yes yes -   Kill
-   yes -   -   yes Delete
-   yes yes -   -   Pause
-   -   -   yes -   Resume
-   yes yes yes -   Update
";
        assert_eq!(table, expected);
    }

    #[test]
    fn refusals_are_the_sentences_that_callers_match() {
        let id = "x1".parse().unwrap();
        let text = |operation, status| allowed(operation, &id, status).unwrap_err().to_string();

        assert_eq!(text(Operation::Kill, Status::Stopped), "container not running");
        assert_eq!(text(Operation::Start, Status::Stopped), "cannot start a container that has stopped");
        assert_eq!(text(Operation::Start, Status::Running), "cannot start an already running container");
        assert_eq!(text(Operation::Exec, Status::Stopped), "cannot exec in a stopped container");
        assert_eq!(
            text(Operation::Exec, Status::Paused),
            "cannot exec in a paused container (use --ignore-paused to override)"
        );
        assert_eq!(
            text(Operation::Delete, Status::Running),
            "cannot delete container x1 that is not stopped: running"
        );
        assert_eq!(text(Operation::Resume, Status::Running), "container not paused");
    }

    #[test]
    fn status_follows_process_then_freezer_then_fifo() {
        let me = Identity::of(i32::try_from(std::process::id()).unwrap()).unwrap().unwrap();
        let dead = Identity { start_time: me.start_time + 1, ..me };

        let find = |init, fifo, frozen| Status::find(init, || fifo, || frozen).unwrap();
        assert_eq!(find(me, true, false), Status::Created);
        assert_eq!(find(me, true, true), Status::Paused);
        assert_eq!(find(me, false, false), Status::Running);
        assert_eq!(find(me, false, true), Status::Paused);
        assert_eq!(find(dead, true, true), Status::Stopped);
    }
}
