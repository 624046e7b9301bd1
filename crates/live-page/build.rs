//! Names the files of the page by a hash of their contents, so that a browser may keep them forever. Compresses each
//! file once, so that no server has to. The page itself and the files of the client keep their names and get an entity
//! tag.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use flate2::{Compression, GzBuilder};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=built");
    let built = Path::new("built");
    let mut html = fs::read_to_string(built.join("index.html"))?;
    for (file, variable) in [("page.css", "PAGE_CSS"), ("page.js", "PAGE_JS")] {
        let bytes = fs::read(built.join(file))?;
        let (stem, extension) = file.split_once('.').expect("a name with an extension");
        let path = format!("{stem}/{}.{extension}", hash(&bytes));
        let named = format!("{stem}/{file}");
        assert_eq!(html.matches(&named).count(), 1, "index.html must contain {named} once");
        html = html.replace(&named, &path);
        println!("cargo::rustc-env={variable}=/{path}");
        put(file, &bytes)?;
    }
    println!("cargo::rustc-env=INDEX_HTML={}", hash(html.as_bytes()));
    put("index.html", html.as_bytes())?;
    for (file, variable) in [("client.js", "CLIENT_JS"), ("webtransport.js", "WEBTRANSPORT_JS")] {
        let bytes = fs::read(built.join(file))?;
        println!("cargo::rustc-env={variable}={}", hash(&bytes));
        put(file, &bytes)?;
    }
    Ok(())
}

/// Writes a file and its gzipped form, for `include_bytes!`.
fn put(file: &str, bytes: &[u8]) -> io::Result<()> {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    fs::write(out.join(file), bytes)?;
    // Without a modification time, so that the bytes are the same in every build.
    let mut gzip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    gzip.write_all(bytes)?;
    fs::write(out.join(format!("{file}.gz")), gzip.finish()?)
}

/// The FNV-1a hash. It only has to distinguish the versions of a file, which no attacker can choose.
fn hash(bytes: &[u8]) -> String {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}
