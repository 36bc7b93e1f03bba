//! A plan for people and for programs: `skeg plan`.

use super::Plan;
use super::words::words;
use serde_json::{Map, Value as Json, json};
use skeg_proto::field::Value;
use std::fmt::Write;

/// One numbered step a line, in words; behind it the place in config.json.
pub fn text(plan: &Plan) -> String {
    let mut out = String::new();
    for (name, value) in init_fields(plan) {
        let _ = writeln!(out, "     {name}: {value}");
    }
    for (number, planned) in (1..).zip(&plan.steps) {
        let _ = writeln!(out, "{number:4} {:<72} # {}", words(&planned.step), planned.origin);
    }
    out
}

/// The plan as JSON.
pub fn json(plan: &Plan) -> Json {
    let steps: Vec<_> = (1..)
        .zip(&plan.steps)
        .map(|(number, planned)| {
            let fields: Map<_, _> = planned
                .step
                .fields()
                .iter()
                .map(|(name, value)| ((*name).to_owned(), to_json(value)))
                .collect();
            json!({"number": number, "step": planned.step.name(), "origin": planned.origin, "fields": fields})
        })
        .collect();
    let init: Map<_, _> = init_fields(plan).into_iter().map(|(k, v)| (k.to_owned(), Json::from(v))).collect();
    json!({"init": init, "steps": steps})
}

fn init_fields(plan: &Plan) -> Vec<(&'static str, String)> {
    let init = &plan.init;
    let text = |value: &Option<std::ffi::CString>| {
        value.as_ref().map(|v| v.to_string_lossy().trim_end().replace('\n', ", "))
    };
    let new: Vec<_> = crate::namespaces::NamespaceType::ALL
        .iter()
        .filter(|kind| init.clone_flags & kind.clone_flag().bits() as u32 != 0)
        .map(|kind| kind.file_name())
        .collect();
    [
        Some(("new namespaces", new.join(" "))),
        text(&init.ns_paths).map(|v| ("joined namespaces", v)),
        text(&init.uid_map).map(|v| ("uid map", v)),
        text(&init.gid_map).map(|v| ("gid map", v)),
        text(&init.oom_score_adj).map(|v| ("oom_score_adj", v)),
        text(&init.time_offsets).map(|v| ("time offsets", v)),
        init.rootless_euid.then(|| ("rootless", "yes".to_owned())),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn to_json(value: &Value) -> Json {
    match value {
        Value::Number(number) => (*number).into(),
        Value::Bool(value) => (*value).into(),
        Value::Text(text) => text.as_str().into(),
        Value::List(list) => list.clone().into(),
        Value::Numbers(list) => list.clone().into(),
        Value::Bytes(bytes) => bytes.iter().map(|b| format!("{b:02x}")).collect::<String>().into(),
    }
}
