//! As much of the shell's grammar as the documents' commands use.

/// One command of a shell block.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Command {
    /// Lines from the block's first.
    pub(crate) line: usize,
    /// The words, without assignments in front of the program.
    pub(crate) words: Vec<String>,
}

/// The commands of `block`, also those joined by `&&`, `;` or pipes. Redirections, comments and what the
/// shell would expand are not followed: a `$` stays as it is.
pub(crate) fn commands(block: &str) -> Vec<Command> {
    let mut reader = Reader::default();
    let mut chars = block.chars().peekable();
    let mut quote = None;
    while let Some(c) = chars.next() {
        reader.line += usize::from(c == '\n');
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (Some('"') | None, '\\') => match chars.next() {
                Some('\n') | None => reader.line += 1,
                Some(escaped) => reader.push(escaped),
            },
            (Some(_), _) => reader.push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                reader.open_word();
            }
            (None, '#') if reader.word.is_none() => {
                while chars.next_if(|c| *c != '\n').is_some() {}
            }
            (None, '\n' | ';' | '&' | '|') => reader.end_command(),
            (None, '>' | '<') => reader.redirect(),
            (None, c) if c.is_whitespace() => reader.end_word(),
            (None, c) => reader.push(c),
        }
    }
    reader.end_command();
    reader.commands
}

#[derive(Default)]
struct Reader {
    line: usize,
    word: Option<String>,
    current: Command,
    redirected: bool,
    commands: Vec<Command>,
}

impl Reader {
    fn open_word(&mut self) -> &mut String {
        if self.current.words.is_empty() && self.word.is_none() {
            self.current.line = self.line;
        }
        self.word.get_or_insert_default()
    }

    fn push(&mut self, c: char) {
        self.open_word().push(c);
    }

    fn end_word(&mut self) {
        if let Some(word) = self.word.take() {
            let assigns = self.current.words.is_empty() && word.contains('=');
            if !assigns && !self.redirected {
                self.current.words.push(word);
            }
            self.redirected = false;
        }
    }

    /// `2>&1`: the number belongs to the arrow, and so does the next word.
    fn redirect(&mut self) {
        let digits = |word: &String| word.bytes().all(|byte| byte.is_ascii_digit());
        if self.word.as_ref().is_some_and(digits) {
            self.word = None;
        }
        self.end_word();
        self.redirected = true;
    }

    fn end_command(&mut self) {
        self.end_word();
        self.redirected = false;
        let command = std::mem::take(&mut self.current);
        if !command.words.is_empty() {
            self.commands.push(command);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(block: &str) -> Vec<Vec<String>> {
        commands(block).into_iter().map(|c| c.words).collect()
    }

    #[test]
    fn quotes_hold_words_together() {
        assert_eq!(
            words("say 'orders.> #1' \"it's\" a\\ b"),
            [["say", "orders.> #1", "it's", "a b"]]
        );
    }

    #[test]
    fn a_backslash_joins_lines_and_the_next_command_keeps_its_line() {
        let found = commands("serve \\\n  --port 1\n\nnext # why\n");
        let lines: Vec<_> = found.iter().map(|command| command.line).collect();
        assert_eq!(found[0].words, ["serve", "--port", "1"]);
        assert_eq!(found[1].words, ["next"]);
        assert_eq!(lines, [0, 3]);
    }

    #[test]
    fn commands_joined_in_one_line_are_several() {
        assert_eq!(
            words("a 1 && b 2 | c; d &"),
            [vec!["a", "1"], vec!["b", "2"], vec!["c"], vec!["d"]]
        );
    }

    #[test]
    fn assignments_and_redirections_are_no_arguments() {
        assert_eq!(
            words("RUST_LOG=debug serve --a=b 2> err.txt > out.txt --c"),
            [["serve", "--a=b", "--c"]]
        );
    }

    #[test]
    fn comments_are_no_commands() {
        assert_eq!(words("# cargo run\n  # more\nls"), [["ls"]]);
    }
}
