//! The losses as a sheet of small charts: loss and slope against the margin, from the library's own numbers.

use plotters::coord::Shift;
use plotters::element::PathElement;
use plotters::prelude::*;
use preflane::labelled::evaluate_answer;
use preflane::listed::{ListOutputs, ListScratch, Lists};
use preflane::losses::{Description, LOSSES, Shape};
use preflane::{LabelledLoss, ListedLoss, Loss, Outputs, Pairs, Run};

use crate::failure::Failure;

/// Charts side by side.
const ACROSS: usize = 6;
/// A chart, in pixels.
const CHART: (u32, u32) = (210, 165);
/// The title of the sheet.
const HEAD: u32 = 64;
/// Margins are drawn to here.
const REACH: f32 = 8.0;
/// Points of a curve.
const POINTS: usize = 65;
/// What is beyond is cut off.
const TOP: f32 = 12.0;

type Drawing<'a> = Result<(), Box<dyn std::error::Error + 'a>>;

/// A loss and its slope at a margin.
type Curve = Vec<(f32, f32, f32)>;

/// The SVG.
pub fn svg() -> Result<String, Failure> {
    let mut text = String::new();
    draw(&mut text).map_err(|e| Failure::new(format!("--picture: cannot be drawn: {e}")))?;
    Ok(text)
}

fn draw(text: &mut String) -> Drawing<'_> {
    let drawn: Vec<_> = LOSSES.iter().copied().filter(|loss| loss.shape != Shape::Contrastive).collect();
    let rows = drawn.len().div_ceil(ACROSS);
    let size = (CHART.0 * ACROSS as u32, HEAD + CHART.1 * rows as u32);
    let root = SVGBackend::with_string(text, size).into_drawing_area();
    root.fill(&WHITE)?;
    let (head, sheet) = root.split_vertically(HEAD);
    let plain = ("sans-serif", 14).into_font();
    head.draw(&Text::new("The losses at their defaults, beta = 1", (10, 12), ("sans-serif", 20).into_font()))?;
    let legend = "across: the margin. Blue: the loss. Red: its slope by the chosen (desirable, best) answer. \
                  Of labelled answers the thin lines are those of an undesirable one.";
    head.draw(&Text::new(legend, (10, 40), plain))?;
    for (loss, area) in drawn.into_iter().zip(sheet.split_evenly((rows, ACROSS))) {
        chart(loss, &area)?;
    }
    root.present()?;
    Ok(())
}

fn chart<'a>(loss: &'static Description, area: &DrawingArea<SVGBackend<'a>, Shift>) -> Drawing<'a> {
    let curves = curves(loss);
    let values = || curves.iter().flatten().flat_map(|&(_, loss, slope)| [loss, slope]).filter(|y| y.is_finite());
    let low = values().fold(-1.0_f32, f32::min).max(-TOP);
    let high = values().fold(1.0_f32, f32::max).min(TOP);
    let mut chart = ChartBuilder::on(area)
        .caption(loss.name, ("sans-serif", 13))
        .margin(6)
        .x_label_area_size(16)
        .y_label_area_size(26)
        .build_cartesian_2d(-REACH..REACH, low - 0.1..high + 0.1)?;
    chart.configure_mesh().disable_mesh().x_labels(5).y_labels(5).label_style(("sans-serif", 9)).draw()?;
    chart.draw_series([PathElement::new([(-REACH, 0.0), (REACH, 0.0)], BLACK.mix(0.3))])?;
    for (curve, width) in curves.iter().zip([2, 1]) {
        let inside = |y: f32| y.is_finite() && (low..=high).contains(&y);
        let line = |of: fn(&(f32, f32, f32)) -> f32| {
            let points: Vec<_> = curve.iter().map(|point| (point.0, of(point))).collect();
            // What leaves the frame is no line across it.
            let parts = points.split(|point| !inside(point.1)).filter(|part| part.len() > 1);
            parts.map(<[_]>::to_vec).collect::<Vec<_>>()
        };
        let (values, slopes) = (line(|point| point.1), line(|point| point.2));
        chart.draw_series(values.into_iter().map(|part| PathElement::new(part, BLUE.stroke_width(width))))?;
        chart.draw_series(slopes.into_iter().map(|part| PathElement::new(part, RED.stroke_width(width))))?;
    }
    Ok(())
}

/// The parameters as people have them, but for a scale of 1.
fn parameters(loss: &Description) -> Vec<f64> {
    loss.parameters.iter().map(|p| if p.name == "beta" { 1.0 } else { p.default }).collect()
}

fn curves(loss: &'static Description) -> Vec<Curve> {
    let margins = (0..POINTS).map(|i| REACH * (2.0 * i as f32 / (POINTS - 1) as f32 - 1.0));
    // Without a reference the numbers are log-probabilities, below 0.
    let middle = if loss.reference { 0.0 } else { -5.0 };
    let parameters = parameters(loss);
    match loss.shape {
        Shape::Pairwise => vec![margins.map(|m| pair(loss, &parameters, m, middle)).collect()],
        Shape::Labelled => {
            let of = LabelledLoss::new(loss, &parameters).expect("defaults are within their ranges");
            [true, false]
                .map(|label| {
                    margins
                        .clone()
                        .map(|m| {
                            let answer = evaluate_answer(&of, m, None, label, 0.0);
                            (m, answer.loss, answer.grad_logps)
                        })
                        .collect()
                })
                .into()
        }
        Shape::Listed => vec![margins.map(|m| list(loss, &parameters, m, middle)).collect()],
        Shape::Contrastive => Vec::new(),
    }
}

fn pair(loss: &'static Description, parameters: &[f64], margin: f32, middle: f32) -> (f32, f32, f32) {
    let (chosen, rejected) = ([middle + margin / 2.0], [middle - margin / 2.0]);
    let column = loss.column.map(|column| [column.default as f32]);
    let pairs = Pairs { column: column.as_ref().map(|x| &x[..]), ..Pairs::reference_free(&chosen, &rejected) };
    let (mut value, mut slope) = ([0.0], [0.0]);
    let outputs = Outputs { losses: Some(&mut value), grad_chosen_logps: Some(&mut slope), ..Outputs::default() };
    let of = Loss::new(loss, parameters).expect("defaults are within their ranges");
    Run::default().evaluate(&of, pairs, outputs, None).expect("one pair with all that it takes");
    (margin, value[0], slope[0])
}

/// Two answers, of which the first is the better one.
fn list(loss: &'static Description, parameters: &[f64], margin: f32, middle: f32) -> (f32, f32, f32) {
    let logps = [middle + margin / 2.0, middle - margin / 2.0];
    let lists = Lists {
        policy_logps: &logps,
        ref_logps: None,
        offsets: &[0, 2],
        weights: None,
        column: loss.column.map(|_| &[1.0, 0.0][..]),
    };
    let (mut value, mut slopes, mut scratch) = ([0.0], [0.0; 2], [ListScratch::default(); 2]);
    let outputs = ListOutputs { losses: Some(&mut value), grad_logps: Some(&mut slopes), ..ListOutputs::default() };
    let of = ListedLoss::new(loss, parameters).expect("defaults are within their ranges");
    Run::default().evaluate_listed(&of, lists, outputs, None, &mut scratch).expect("one list with all that it takes");
    (margin, value[0], slopes[0])
}
