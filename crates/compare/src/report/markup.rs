//! Text inside HTML.

/// Escapes text for a place between tags or in a quoted attribute. Everything that goes into the page passes through
/// here.
pub(super) fn text(text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    escaped.replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_character_with_a_meaning_in_html_is_left() {
        let written = text(r#"<b a="1" b='2'>R&D µs</b>"#);
        assert_eq!(written, "&lt;b a=&quot;1&quot; b=&#39;2&#39;&gt;R&amp;D µs&lt;/b&gt;");
    }
}
