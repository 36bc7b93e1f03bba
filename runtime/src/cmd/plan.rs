//! `plan`: what a bundle compiles to, without doing it.

use super::output;
use crate::cli::Global;
use crate::cli::command::Plan;
use crate::cli::format::PlanFormat;
use crate::lifecycle::create::dry_plan;
use crate::plan::print;

/// Prints the plan. Needs no privileges and changes nothing.
pub fn run(global: &Global, args: &Plan) -> anyhow::Result<i32> {
    let plan = dry_plan(&args.bundle, global.rootless)?;
    let text = match args.format {
        PlanFormat::Text => print::text(&plan).into_bytes(),
        PlanFormat::Json => serde_json::to_vec_pretty(&print::json(&plan))?,
        PlanFormat::Bytes => plan.bytes()?,
        PlanFormat::Hex => skeg_proto::dump::annotate(&plan.bytes()?).into_bytes(),
    };
    output::print(&text)?;
    Ok(0)
}
