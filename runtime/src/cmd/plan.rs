//! `plan`: what a bundle compiles to, without doing it.

use super::output;
use crate::cgroup::{Layout, OwnCgroup};
use crate::cli::Global;
use crate::cli::command::Plan;
use crate::cli::format::PlanFormat;
use crate::facts::Facts;
use crate::lifecycle::create::dry_plan;
use crate::plan::print;

/// Prints the plan. Needs no privileges and changes nothing.
pub fn run(global: &Global, args: &Plan) -> anyhow::Result<i32> {
    let own = OwnCgroup::read()?;
    // Whoever asks, the plan is what root would do, unless told otherwise.
    let facts = Facts::gather(global.rootless.or(Some(false)), Layout::detect(&own));
    let plan = dry_plan(&args.bundle, &facts, &own)?;
    let text = match args.format {
        PlanFormat::Text => print::text(&plan).into_bytes(),
        PlanFormat::Json => serde_json::to_vec_pretty(&print::json(&plan))?,
        PlanFormat::Bytes => plan.bytes()?,
        PlanFormat::Hex => skeg_proto::dump::annotate(&plan.bytes()?).into_bytes(),
    };
    output::print(&text)?;
    Ok(0)
}
