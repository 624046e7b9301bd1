//! Text inside HTML.

/// Escapes text for use between tags or in a quoted attribute. All text of the page that is not a constant is escaped
/// with it.
pub(super) fn text(text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    escaped.replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_special_characters_of_html_are_escaped() {
        let written = text(r#"<b a="1" b='2'>R&D µs</b>"#);
        assert_eq!(written, "&lt;b a=&quot;1&quot; b=&#39;2&#39;&gt;R&amp;D µs&lt;/b&gt;");
    }
}
