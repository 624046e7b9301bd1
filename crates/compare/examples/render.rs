//! Draws the report of an earlier run again, from the figures that were kept of it:
//!
//! ```sh
//! cargo run -p tidings-compare --example render -- figures.json report.html
//! ```

use std::error::Error;
use std::fs::File;
use std::io::BufReader;

use tidings_compare::Report;

fn main() -> Result<(), Box<dyn Error>> {
    let mut files = std::env::args().skip(1);
    let (Some(figures), Some(page)) = (files.next(), files.next()) else {
        return Err("name two files: figures.json report.html".into());
    };
    let report: Report = serde_json::from_reader(BufReader::new(File::open(figures)?))?;
    Ok(std::fs::write(page, report.html())?)
}
