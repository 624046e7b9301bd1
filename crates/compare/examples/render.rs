//! Renders reports of earlier runs, from the JSON that `tidings compare` wrote: the page about a folder of them, or parts
//! of one report or of all in Markdown. Also prints the schema of the JSON.
//!
//! ```sh
//! cargo run -p tidings-compare --example render -- folder > report.html
//! cargo run -p tidings-compare --features schema --example render -- schema > schema.json
//! cargo run -p tidings-compare --example render -- folder decisions
//! cargo run -p tidings-compare --example render -- folder/fan-out.json answer steady.cpu steady.p99 run
//! ```

use std::error::Error;
use std::path::Path;

use tidings_compare::{Folder, Report};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match &args[..] {
        #[cfg(feature = "schema")]
        [word] if word == "schema" => print!("{}", Report::json_schema()),
        [folder] => print!("{}", Folder::open(Path::new(folder))?.page()?),
        [folder, part] if Path::new(folder).is_dir() => {
            let text = Folder::open(Path::new(folder))?.markdown(part)?;
            print!("{}", text.ok_or_else(|| format!("no {part:?} in {folder}"))?);
        }
        [file, words @ ..] if !words.is_empty() => {
            let report = Report::from_json(&std::fs::read_to_string(file)?)?;
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            print!("{}", report.markdown(&words).map_err(|it| format!("no {it:?} in {file}"))?);
        }
        _ => {
            return Err("usage: render FOLDER [decisions|claims|bill|scenarios], or render FILE \
                        KEY…|answer|tables|targets|run"
                .into());
        }
    }
    Ok(())
}
