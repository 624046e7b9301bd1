//! Renders the report of an earlier run, from the JSON that `tidings compare --json` wrote: as the page of `--html`, or
//! the tables of these rows in Markdown.
//!
//! ```sh
//! cargo run -p tidings-compare --example render -- figures.json page > report.html
//! cargo run -p tidings-compare --example render -- figures.json steady.cpu steady.p99 targets run
//! ```

use std::error::Error;
use std::fs::File;
use std::io::BufReader;

use tidings_compare::Report;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [figures, words @ ..] = &args[..] else {
        return Err("usage: render FIGURES.json page|KEY…|targets|run".into());
    };
    let report: Report = serde_json::from_reader(BufReader::new(File::open(figures)?))?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["page"] => print!("{}", report.html()),
        _ => print!("{}", report.markdown(&words).map_err(|it| format!("no {it:?} in {figures}"))?),
    }
    Ok(())
}
