//! The overview at the end. It has one line for each benchmark of this run, from the files that criterion writes.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::Value;

/// Prints the name, the median time and the throughput of the benchmarks that were measured since `began`.
pub(crate) fn print(began: SystemTime) {
    let Some(folder) = folder() else { return };
    let mut lines = Vec::new();
    collect(&folder, began, &mut lines);
    lines.sort();
    if lines.is_empty() {
        return;
    }
    println!("\n{:<58} {:>12} {:>18}", "overview", "median", "throughput");
    for line in lines {
        println!("{line}");
    }
    println!("plots: {}", folder.join("report/index.html").display());
}

/// The output folder of criterion.
fn folder() -> Option<PathBuf> {
    if let Some(home) = std::env::var_os("CRITERION_HOME") {
        return Some(home.into());
    }
    // The program is in `target/release/deps`.
    let program = std::env::current_exe().ok()?;
    Some(program.ancestors().nth(3)?.join("criterion"))
}

fn collect(folder: &Path, began: SystemTime, lines: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.ends_with("new") {
            lines.extend(line(&path, began));
        } else if path.is_dir() {
            collect(&path, began, lines);
        }
    }
}

fn line(folder: &Path, began: SystemTime) -> Option<String> {
    let estimates = folder.join("estimates.json");
    if fs::metadata(&estimates).ok()?.modified().ok()? < began {
        return None;
    }
    let read = |path: PathBuf| serde_json::from_str::<Value>(&fs::read_to_string(path).ok()?).ok();
    let (benchmark, estimates) = (read(folder.join("benchmark.json"))?, read(estimates)?);
    let median = estimates["median"]["point_estimate"].as_f64()?;
    let elements = benchmark["throughput"]["Elements"].as_f64();
    let throughput = elements.map(|count| format!("{}/s", scaled(count / median * 1e9)));
    let throughput = throughput.unwrap_or_default();
    let name = benchmark["full_id"].as_str()?;
    Some(format!("{name:<58} {:>12} {throughput:>18}", time(median)))
}

fn time(ns: f64) -> String {
    match ns {
        ns if ns < 1e3 => format!("{ns:.1} ns"),
        ns if ns < 1e6 => format!("{:.2} µs", ns / 1e3),
        ns => format!("{:.2} ms", ns / 1e6),
    }
}

fn scaled(number: f64) -> String {
    match number {
        n if n < 1e3 => format!("{n:.0} "),
        n if n < 1e6 => format!("{:.1} k", n / 1e3),
        n if n < 1e9 => format!("{:.1} M", n / 1e6),
        n => format!("{:.1} G", n / 1e9),
    }
}
