//! One view as an SVG of horizontal bars: every measure a group, every contestant a bar, its median in milliseconds.

use std::fmt::Write;

use crate::report::View;

const WIDTH: f64 = 860.0;
const LEFT: f64 = 90.0;
const RIGHT: f64 = 100.0;
const BAR: f64 = 15.0;
const GAP: f64 = 4.0;
const TITLE: f64 = 52.0;
const HEADING: f64 = 22.0;
const BETWEEN: f64 = 16.0;

/// The measures drawn: those a person waits for. The others are in the table.
const DRAWN: [&str; 6] = [
    "run /bin/true",
    "run /bin/true, Docker's config",
    "Docker's four calls",
    "exec /bin/true",
    "create",
    "state",
];

/// Draws one view. Groups have scales of their own, so that the short ones can be read.
pub fn svg(view: &View, machine: &str) -> String {
    let mut body = String::new();
    let mut y = TITLE;
    for measure in view.measures.iter().filter(|measure| DRAWN.contains(&measure.name)) {
        let bars: Vec<(&str, f64)> = measure
            .results
            .iter()
            .filter_map(|(name, summary)| Some((*name, summary.median_us? / 1e3)))
            .collect();
        let longest = bars.iter().map(|(_, ms)| *ms).fold(0.0, f64::max);
        if longest == 0.0 {
            continue;
        }
        let _ = writeln!(
            body,
            r#"<text x="{LEFT}" y="{:.0}" class="heading">{}</text>"#,
            y + 14.0,
            escape(measure.name)
        );
        y += HEADING;
        for (name, ms) in bars {
            let length = (ms / longest * (WIDTH - LEFT - RIGHT)).max(1.0);
            bar(&mut body, y, name, length, ms);
            y += BAR + GAP;
        }
        y += BETWEEN;
    }
    let title = format!("{}, median, ms (shorter is better)", view.name);
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y:.0}" viewBox="0 0 {WIDTH} {y:.0}" role="img">
<title>{title}</title>
<style>
text {{ font: 13px sans-serif; fill: #222; }}
.title {{ font-size: 16px; font-weight: bold; }}
.heading {{ font-weight: bold; }}
.small {{ font-size: 11px; fill: #666; }}
</style>
<rect width="{WIDTH}" height="{y:.0}" fill="white"/>
<text x="12" y="22" class="title">{title}</text>
<text x="12" y="40" class="small">{machine}</text>
{body}</svg>
"#,
        title = escape(&title),
        machine = escape(machine),
    )
}

fn bar(body: &mut String, y: f64, name: &str, length: f64, ms: f64) {
    let colour = match name {
        "skeg" => "#0b7285",
        "crun" => "#f08c00",
        "runc" => "#868e96",
        _ => "#ced4da",
    };
    let base = y + 12.0;
    let _ = writeln!(body, r#"<text x="{:.0}" y="{base:.0}" text-anchor="end">{name}</text>"#, LEFT - 8.0);
    let _ =
        writeln!(body, r#"<rect x="{LEFT}" y="{y:.0}" width="{length:.1}" height="{BAR}" fill="{colour}"/>"#);
    let _ = writeln!(body, r#"<text x="{:.1}" y="{base:.0}">{ms:.2}</text>"#, LEFT + length + 6.0);
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Measure;
    use crate::stats::Sample;

    #[test]
    fn longest_bar_fills_the_width_and_others_follow_the_scale() {
        let mut results = Vec::new();
        for (name, ms) in [("skeg", 2), ("crun", 4)] {
            let mut sample = Sample::default();
            sample.add(Ok(f64::from(ms) * 1e3));
            results.push((name, sample.summary()));
        }
        let view = View { name: "v2", measures: vec![Measure { name: "run /bin/true", results }] };
        let drawn = svg(&view, "a <machine>");
        assert!(drawn.contains(r#"width="335.0""#) && drawn.contains(r#"width="670.0""#), "{drawn}");
        assert!(drawn.contains("a &lt;machine&gt;"), "{drawn}");
    }
}
