//! An equity curve as SVG.

use std::path::Path;

use chrono::{DateTime, Utc};
use plotters::prelude::*;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

/// Draws money over time as a stepped line. Pixels are the only place where an amount becomes a float.
pub fn draw(path: &Path, title: &str, points: &[(DateTime<Utc>, Decimal)]) -> Result<(), Box<dyn std::error::Error>> {
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        return Err("there is nothing to draw".into());
    };
    let height = |amount: &Decimal| amount.to_f64().unwrap_or_default();
    let lowest = points
        .iter()
        .map(|(_, amount)| *amount)
        .min()
        .unwrap_or_default()
        .min(Decimal::ZERO);
    let highest = points
        .iter()
        .map(|(_, amount)| *amount)
        .max()
        .unwrap_or_default()
        .max(Decimal::ZERO);
    let margin = (highest - lowest) / Decimal::TEN;
    let canvas = SVGBackend::new(path, (960, 420)).into_drawing_area();
    canvas.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&canvas)
        .caption(title, ("sans-serif", 20))
        .margin(12)
        .x_label_area_size(32)
        .y_label_area_size(80)
        .build_cartesian_2d(
            first.0.timestamp()..last.0.timestamp(),
            height(&(lowest - margin))..height(&(highest + margin)),
        )?;
    chart
        .configure_mesh()
        .x_labels(7)
        .x_label_formatter(&|at| day(*at))
        .y_label_formatter(&|amount| format!("{amount:.0}"))
        .draw()?;
    let mut steps = Vec::with_capacity(points.len() * 2);
    for (index, (at, amount)) in points.iter().enumerate() {
        if let Some((_, before)) = index.checked_sub(1).and_then(|index| points.get(index)) {
            steps.push((at.timestamp(), height(before)));
        }
        steps.push((at.timestamp(), height(amount)));
    }
    chart.draw_series(LineSeries::new(steps, &BLUE))?;
    canvas.present()?;
    Ok(())
}

fn day(second: i64) -> String {
    DateTime::from_timestamp(second, 0).map_or_else(String::new, |at: DateTime<Utc>| at.format("%b %d").to_string())
}
