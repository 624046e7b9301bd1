//! JSON with one line for each row of figures.

use std::io::{Result, Write};

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter, Serializer};

/// The JSON of a value, with a final line end. Each member of an object has its own line, and each element of an array
/// is one line, whatever it contains. So a diff of two runs has a line for each row that differs.
///
/// # Panics
/// Panics if the value has a map whose keys are not strings.
pub(super) fn json(value: &impl Serialize) -> String {
    let mut json = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut json, Rows::default());
    value.serialize(&mut serializer).expect("the keys are strings");
    json.push(b'\n');
    String::from_utf8(json).expect("JSON is text")
}

/// Writes elements of arrays without spaces, and everything around them with line ends.
#[derive(Default)]
struct Rows {
    pretty: PrettyFormatter<'static>,
    /// The number of arrays that are open.
    arrays: usize,
}

impl Formatter for Rows {
    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> Result<()> {
        self.arrays += 1;
        match self.arrays {
            1 => self.pretty.begin_array(writer),
            _ => CompactFormatter.begin_array(writer),
        }
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> Result<()> {
        self.arrays -= 1;
        match self.arrays {
            0 => self.pretty.end_array(writer),
            _ => CompactFormatter.end_array(writer),
        }
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> Result<()> {
        match self.arrays {
            1 => self.pretty.begin_array_value(writer, first),
            _ => CompactFormatter.begin_array_value(writer, first),
        }
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> Result<()> {
        match self.arrays {
            1 => self.pretty.end_array_value(writer),
            _ => CompactFormatter.end_array_value(writer),
        }
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> Result<()> {
        match self.arrays {
            0 => self.pretty.begin_object(writer),
            _ => CompactFormatter.begin_object(writer),
        }
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> Result<()> {
        match self.arrays {
            0 => self.pretty.end_object(writer),
            _ => CompactFormatter.end_object(writer),
        }
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> Result<()> {
        match self.arrays {
            0 => self.pretty.begin_object_key(writer, first),
            _ => CompactFormatter.begin_object_key(writer, first),
        }
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> Result<()> {
        match self.arrays {
            0 => self.pretty.begin_object_value(writer),
            _ => CompactFormatter.begin_object_value(writer),
        }
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> Result<()> {
        match self.arrays {
            0 => self.pretty.end_object_value(writer),
            _ => CompactFormatter.end_object_value(writer),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn each_member_and_each_row_has_its_own_line() {
        let value = json!({
            "empty": [],
            "none": {},
            "plan": { "clients": 7 },
            "rows": [{ "key": "a", "values": [[1, 2.5], null] }, "b"],
        });
        let expected = r#"{
  "empty": [],
  "none": {},
  "plan": {
    "clients": 7
  },
  "rows": [
    {"key":"a","values":[[1,2.5],null]},
    "b"
  ]
}
"#;
        assert_eq!(super::json(&value), expected);
    }
}
