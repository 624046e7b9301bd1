//! Text inside HTML.

use std::borrow::Cow;
use std::fmt;

/// Text that is shown as it is, between tags and in a quoted attribute.
pub(super) struct Text<'a>(Cow<'a, str>);

/// Escapes text. Everything that goes into the page passes through here.
pub(super) fn text<'a>(text: impl Into<Cow<'a, str>>) -> Text<'a> {
    Text(text.into())
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.as_ref();
        while let Some(at) = rest.find(['&', '<', '>', '"', '\'']) {
            f.write_str(&rest[..at])?;
            f.write_str(match rest.as_bytes()[at] {
                b'&' => "&amp;",
                b'<' => "&lt;",
                b'>' => "&gt;",
                b'"' => "&quot;",
                _ => "&#39;",
            })?;
            rest = &rest[at + 1..];
        }
        f.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_character_with_a_meaning_in_html_is_left() {
        let written = text(r#"<b a="1" b='2'>R&D µs</b>"#).to_string();
        assert_eq!(written, "&lt;b a=&quot;1&quot; b=&#39;2&#39;&gt;R&amp;D µs&lt;/b&gt;");
    }
}
