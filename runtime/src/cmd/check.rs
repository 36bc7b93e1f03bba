//! `skeg check`: what stands in a bundle's way.

use super::output;
use crate::check::{self, Report};
use crate::cli::Global;
use crate::cli::command::Check;
use crate::cli::format::CheckFormat;
use serde_json::json;

/// Prints the problems, one a line, or all as JSON; 1 if there are any.
pub fn run(global: &Global, args: &Check) -> anyhow::Result<i32> {
    // Whoever asks, it is root who starts the container, unless told otherwise.
    let Report { problems, notes } = check::bundle(&args.bundle, global.rootless.or(Some(false)));
    let text = match args.format {
        CheckFormat::Text => {
            let ok = if problems.is_empty() { "ok\n" } else { "" };
            let lines = problems.iter().chain(&notes).map(|problem| format!("{problem}\n"));
            lines.fold(ok.to_owned(), |text, line| text + &line)
        }
        CheckFormat::Json => {
            let report = json!({ "ok": problems.is_empty(), "problems": problems, "notes": notes });
            format!("{}\n", serde_json::to_string_pretty(&report)?)
        }
    };
    output::print(text.as_bytes())?;
    Ok(i32::from(!problems.is_empty()))
}
