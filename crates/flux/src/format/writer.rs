//! The text being written: indentation, comments, and texts that are moved to the right once their surroundings turn
//! out to need lines of their own. It knows no syntax.

use crate::ast::Identifier;

/// One level of indentation.
const INDENT: &str = "    ";

/// A text with its place in it.
#[derive(Debug)]
pub(super) struct Writer {
    text: String,
    indent: usize,
    /// Whether the last line holds blanks only.
    clear: bool,
    /// Whether a comment interrupted a line and what follows is indented until its end.
    comment_indent: bool,
    /// Whether lines can be moved to the right: not inside a string of several lines.
    movable: bool,
    /// Whether records stand in one line whatever their length: rows of a table.
    pub(super) records_in_a_line: bool,
}

impl Default for Writer {
    fn default() -> Self {
        let text = String::new();
        Self { text, indent: 0, clear: true, comment_indent: false, movable: true, records_in_a_line: false }
    }
}

impl Writer {
    /// A writer for a part of the text, to be put in by [`Self::insert`].
    pub(super) fn part(&self) -> Self {
        Self { text: String::new(), movable: true, ..*self }
    }

    /// Puts a part in, moved to the current indentation.
    pub(super) fn insert(&mut self, part: &Self) {
        self.movable &= part.movable;
        if part.movable && self.indent > part.indent {
            let line_break = format!("\n{}", INDENT.repeat(self.indent - part.indent));
            self.text(&part.text.replace('\n', &line_break));
        } else {
            self.text(&part.text);
        }
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }

    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub(super) fn has_several_lines(&self) -> bool {
        self.text.contains('\n')
    }

    pub(super) fn text(&mut self, text: &str) {
        self.clear = text.rfind('\n').is_some_and(|line_break| text[line_break..].trim().is_empty());
        self.text.push_str(text);
    }

    /// A text whose line breaks mean something.
    pub(super) fn verbatim(&mut self, text: &str) {
        if text.contains('\n') {
            self.movable = false;
        }
        self.text(text);
    }

    /// Ends the line, and with it what a comment indented.
    pub(super) fn line_break(&mut self) {
        self.clear = true;
        if self.comment_indent {
            self.comment_indent = false;
            self.indent_less();
        }
        self.text.push('\n');
    }

    /// A blank between two tokens; a line that is clear stays so.
    pub(super) fn blank(&mut self) {
        self.text.push(' ');
    }

    pub(super) fn indent(&self) -> usize {
        self.indent
    }

    pub(super) fn set_indent(&mut self, indent: usize) {
        self.indent = indent;
        self.comment_indent = false;
    }

    pub(super) fn indent_more(&mut self) {
        self.indent += 1;
    }

    pub(super) fn indent_less(&mut self) {
        self.indent = self.indent.saturating_sub(1);
    }

    pub(super) fn write_indent(&mut self) {
        for _ in 0..self.indent {
            self.text.push_str(INDENT);
        }
    }

    /// A new line, one level further in.
    pub(super) fn indented_line(&mut self) {
        self.line_break();
        self.indent_more();
        self.write_indent();
    }

    /// Comments, each on its line; what follows them stands on a new one.
    pub(super) fn comments(&mut self, comments: &[String]) {
        for comment in comments {
            if !self.clear {
                if !self.text.is_empty() {
                    self.indented_line();
                }
                self.comment_indent = true;
            }
            self.text.push_str(comment);
            if !comment.ends_with('\n') {
                self.text.push('\n');
            }
            self.clear = true;
            self.write_indent();
        }
    }

    pub(super) fn identifier(&mut self, node: &Identifier) {
        self.comments(node.meta.comments());
        self.text(&node.name);
    }

    /// A list in brackets: on one line, or one entry a line with a comma behind each.
    pub(super) fn list(&mut self, parts: &[Self], several_lines: bool) {
        if several_lines {
            self.line_break();
            self.indent_more();
            self.write_indent();
        }
        let separator = if several_lines { ",\n" } else { ", " };
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                self.text(separator);
                if several_lines {
                    self.write_indent();
                }
            }
            self.insert(part);
        }
        if several_lines {
            self.text(separator);
            self.indent_less();
            self.write_indent();
        }
    }
}
