//! The metrics and findings as one JSON object.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::Scored;
use super::findings::findings;
use super::rows::{Foremost, Row};
use super::shape::{Figure, Mean, Summary};
use crate::json::{self, Number};
use crate::provenance::Entries;

#[derive(Serialize)]
struct Object<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    convention: Option<&'a str>,
    #[serde(flatten)]
    figures: Figures,
    gradient_vanished: Option<u64>,
    finite: Figures,
    smallest_margins: Vec<Margin>,
    largest_margins: Vec<Margin>,
    findings: Vec<Finding>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    provenance: Vec<Provenance<'a>>,
}

/// Numbers by name, in order.
struct Figures(Vec<(String, Option<Figure>)>);

impl Serialize for Figures {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, figure) in &self.0 {
            match figure {
                None => map.serialize_entry(name, &None::<u64>)?,
                Some(Figure::Count(count)) => map.serialize_entry(name, count)?,
                Some(Figure::Number(number)) => map.serialize_entry(name, &Number(*number))?,
            }
        }
        map.end()
    }
}

/// All numbers over all units.
fn figures(scored: &Scored, summary: &Summary) -> Figures {
    let counts = scored.shape.counts();
    let mut all = vec![
        (format!("{}s", scored.shape.unit()), Some(Figure::Count(counts.units))),
        ("skipped".to_owned(), Some(Figure::Count(scored.skipped))),
    ];
    for (name, figure) in &summary.figures {
        all.push(((*name).to_owned(), Some(*figure)));
    }
    all.extend(means(&summary.means, |mean| mean.all));
    all.extend(counts.ties.map(|ties| ("ties".to_owned(), Some(Figure::Count(ties)))));
    all.push(("nonfinite".to_owned(), Some(Figure::Count(counts.nonfinite))));
    for share in &summary.shares {
        // Both are exact in f64, and so is every share that is one of f32; of no rows there is none.
        let value = share.count.map(|(count, of)| Figure::Number((count as f64 / of as f64) as f32));
        all.push((share.key.to_owned(), value));
    }
    Figures(all)
}

fn means(means: &[Mean], value: fn(&Mean) -> f32) -> impl Iterator<Item = (String, Option<Figure>)> {
    means.iter().map(move |mean| (mean.name.to_owned(), Some(Figure::Number(value(mean)))))
}

/// The means over the units whose numbers are all finite; those of none are nan.
fn finite(scored: &Scored, summary: &Summary) -> Figures {
    let count = (format!("{}s", scored.shape.unit()), Some(Figure::Count(summary.finite)));
    Figures([count].into_iter().chain(means(&summary.means, |mean| mean.finite)).collect())
}

#[derive(Serialize)]
struct Margin {
    row: u64,
    margin: Number,
}

fn margins(foremost: &Foremost) -> Vec<Margin> {
    foremost.items.iter().map(|item| Margin { row: item.row.number, margin: Number(item.value) }).collect()
}

#[derive(Serialize)]
struct Finding {
    code: &'static str,
    headline: String,
    advice: String,
    count: u64,
    rows: Vec<u64>,
}

fn all_findings(scored: &Scored) -> Vec<Finding> {
    let numbers = |rows: &[Row]| rows.iter().map(|row| row.number).collect();
    (findings(scored).into_iter())
        .map(|finding| Finding {
            code: finding.code.name(),
            count: finding.count,
            rows: numbers(&finding.rows),
            headline: finding.headline,
            advice: finding.advice,
        })
        .collect()
}

#[derive(Serialize)]
struct Provenance<'a> {
    file: String,
    metadata: &'a Entries,
}

/// The object, with a line end.
pub fn object(scored: &Scored) -> String {
    let summary = scored.shape.summary();
    json::text(&Object {
        convention: scored.convention.as_deref(),
        figures: figures(scored, &summary),
        gradient_vanished: scored.watched.saturated,
        finite: finite(scored, &summary),
        smallest_margins: margins(&scored.watched.smallest),
        largest_margins: margins(&scored.watched.largest),
        findings: all_findings(scored),
        provenance: (scored.provenance.iter())
            .map(|said| Provenance { file: said.path().display().to_string(), metadata: said.entries() })
            .collect(),
    })
}
