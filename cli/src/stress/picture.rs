//! Errors against inputs, as a picture.

use plotters::prelude::*;

use super::{Stressed, report};
use crate::failure::Failure;
use crate::layout::rough;

/// What is not finite stands above all errors.
const TOP: f64 = 12.0;
/// Errors below this are drawn there.
const BOTTOM: f64 = -3.0;

/// Inputs around 0 spread out, large ones together.
fn squeeze(x: f64) -> f64 {
    x.asinh() / std::f64::consts::LN_10
}

/// The SVG.
pub fn svg(stressed: &Stressed) -> Result<String, Failure> {
    let mut text = String::new();
    draw(stressed, &mut text).map_err(|e| Failure::new(format!("--picture: cannot be drawn: {e}")))?;
    Ok(text)
}

fn draw<'a>(stressed: &Stressed, text: &'a mut String) -> Result<(), Box<dyn std::error::Error + 'a>> {
    let place = |ulps: f64| if ulps.is_finite() { ulps.max(1e-9).log10().clamp(BOTTOM, TOP - 1.0) } else { TOP };
    let points = &stressed.seen.points;
    let (least, most) = points.iter().fold((-1.0_f64, 1.0_f64), |(least, most), point| {
        let x = squeeze(point.input);
        if x.is_finite() { (least.min(x), most.max(x)) } else { (least, most) }
    });
    let root = SVGBackend::with_string(text, (960, 560)).into_drawing_area();
    root.fill(&WHITE)?;
    let title = report::headline(stressed);
    let mut chart = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(46)
        .y_label_area_size(64)
        .build_cartesian_2d(least - 0.2..most + 0.2, BOTTOM - 0.3..TOP + 0.6)?;
    let input = if stressed.judge.task.is_sequences() {
        "largest logit"
    } else {
        "z = beta (log-ratio of chosen - log-ratio of rejected)"
    };
    let x_label = |x: &f64| rough((x * std::f64::consts::LN_10).sinh(), 2);
    let y_label = |y: &f64| if *y >= TOP { "nan, inf".to_owned() } else { format!("1e{y:.0}") };
    chart
        .configure_mesh()
        .x_desc(input)
        .y_desc("error of the loss, ulp")
        .x_label_formatter(&x_label)
        .y_label_formatter(&y_label)
        .x_labels(9)
        .y_labels(16)
        .light_line_style(WHITE)
        .draw()?;
    for (fails, colour, name) in [(false, BLUE.mix(0.35), "within the bound"), (true, RED.mix(0.8), "failures")] {
        let shown = points.iter().filter(|point| point.fails == fails && point.input.is_finite());
        chart
            .draw_series(shown.map(|point| Circle::new((squeeze(point.input), place(point.ulps)), 2, colour.filled())))?
            .label(name)
            .legend(move |(x, y)| Circle::new((x + 8, y), 3, colour.filled()));
    }
    chart.configure_series_labels().background_style(WHITE.mix(0.8)).border_style(BLACK.mix(0.3)).draw()?;
    root.present()?;
    Ok(())
}
