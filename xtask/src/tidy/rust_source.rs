//! A Rust file, understood just as far as the checks need: where its code, functions and tests are.
//!
//! Not a parser: comments and literals are blanked out, and then braces can be matched and words be found. Code that
//! does not compile may be misread; the compiler finds that first.

use std::ops::Range;

/// A Rust file with its comments and literals known.
pub(super) struct RustSource {
    pub(super) path: String,
    pub(super) text: String,
    /// The text with each byte of a comment, string or character literal replaced by a space; line breaks stay.
    pub(super) code: String,
    line_starts: Vec<usize>,
    /// Byte ranges of items under `#[cfg(test)]`.
    test_ranges: Vec<Range<usize>>,
    /// Names of modules declared as `#[cfg(test)] mod name;`.
    test_modules: Vec<String>,
    is_test_file: bool,
}

/// A function with a body.
#[derive(Debug)]
pub(super) struct Function<'a> {
    pub(super) name: &'a str,
    /// Line of the keyword `fn`, counted from 1.
    pub(super) line: usize,
    /// From the line of `fn` to that of the closing brace.
    pub(super) line_count: usize,
    /// From the keyword `fn` to the closing brace.
    pub(super) range: Range<usize>,
}

impl RustSource {
    pub(super) fn new(path: &str, text: &str) -> Self {
        let code = blank(text);
        let line_starts =
            std::iter::once(0).chain(text.match_indices('\n').map(|(position, _)| position + 1)).collect();
        let mut source = Self {
            path: path.to_owned(),
            text: text.to_owned(),
            code,
            line_starts,
            test_ranges: Vec::new(),
            test_modules: Vec::new(),
            is_test_file: is_test_path(path),
        };
        source.find_tests();
        source
    }

    pub(super) fn mark_as_test(&mut self) {
        self.is_test_file = true;
    }

    /// Files that the modules declared as `#[cfg(test)] mod name;` may stand in.
    pub(super) fn test_module_files(&self) -> Vec<String> {
        let stem = self.path.strip_suffix(".rs").unwrap_or(&self.path);
        let (folder, name) = stem.rsplit_once('/').unwrap_or(("", stem));
        let module_folder = if matches!(name, "lib" | "main" | "mod") { folder } else { stem };
        let candidates =
            |module: &String| [format!("{module_folder}/{module}.rs"), format!("{module_folder}/{module}/mod.rs")];
        self.test_modules.iter().flat_map(candidates).collect()
    }

    /// The line, counted from 1, of a byte position.
    pub(super) fn line_of(&self, position: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= position)
    }

    /// Whether the byte position is in code that only tests compile.
    pub(super) fn is_test(&self, position: usize) -> bool {
        self.is_test_file || self.test_ranges.iter().any(|range| range.contains(&position))
    }

    /// How many lines the product's code and its comments have.
    pub(super) fn product_line_count(&self) -> usize {
        if self.is_test_file {
            return 0;
        }
        let lines_of = |range: &Range<usize>| self.line_of(range.end) - self.line_of(range.start) + 1;
        self.text.lines().count() - self.test_ranges.iter().map(lines_of).sum::<usize>()
    }

    /// All functions that have a body, nested ones too.
    pub(super) fn functions(&self) -> impl Iterator<Item = Function<'_>> {
        self.words("fn").filter_map(|start| {
            let name = word_after(&self.code, start + 2)?;
            let (open, '{') = self.item_opening(start)? else {
                return None;
            };
            let line = self.line_of(start);
            let end = self.closing_brace(open);
            let line_count = self.line_of(end) - line + 1;
            Some(Function { name, line, line_count, range: start..end })
        })
    }

    /// Positions in the code where `needle` stands, not as a part of a longer word.
    pub(super) fn words(&self, needle: &'static str) -> impl Iterator<Item = usize> {
        let bytes = self.code.as_bytes();
        self.code.match_indices(needle).map(|(position, _)| position).filter(move |position| {
            let end = position + needle.len();
            let before = position.checked_sub(1).is_some_and(|before| is_word_byte(bytes[before]));
            let after = bytes.get(end).is_some_and(|byte| is_word_byte(*byte));
            let opens = is_word_byte(needle.as_bytes()[0]);
            let closes = is_word_byte(needle.as_bytes()[needle.len() - 1]);
            !(opens && before || closes && after)
        })
    }

    /// The code between the end of the item before and `position`: attributes and visibility, mostly.
    pub(super) fn attributes_before(&self, position: usize) -> &str {
        let head = &self.code[..position];
        let start = head.rfind(['{', '}', ';']).map_or(0, |end| end + 1);
        &head[start..]
    }

    fn find_tests(&mut self) {
        let mut ranges = Vec::new();
        let mut modules = Vec::new();
        for needle in ["#[cfg(test)]", "#[cfg(all(test,"] {
            for (start, _) in self.code.match_indices(needle) {
                let Some((opening, character)) = self.item_opening(start + 2) else {
                    continue;
                };
                let end = if character == '{' { self.closing_brace(opening) } else { opening };
                ranges.push(start..end);
                let declaration = &self.code[start..opening];
                if let (';', Some(position)) = (character, declaration.rfind("mod ")) {
                    modules.extend(word_after(declaration, position + 4).map(str::to_owned));
                }
            }
        }
        self.test_ranges = ranges;
        self.test_modules = modules;
    }

    /// The first `{` or `;` after `from` that is in no parentheses or brackets.
    fn item_opening(&self, from: usize) -> Option<(usize, char)> {
        let mut depth = 0_i32;
        for (offset, character) in self.code[from..].char_indices() {
            match character {
                '(' | '[' => depth += 1,
                ')' | ']' => depth -= 1,
                '{' | ';' if depth <= 0 => return Some((from + offset, character)),
                _ => {}
            }
        }
        None
    }

    /// The brace that closes the one at `open`, or the end of the file.
    fn closing_brace(&self, open: usize) -> usize {
        let mut depth = 0_u32;
        for (offset, byte) in self.code.bytes().enumerate().skip(open) {
            match byte {
                b'{' => depth += 1,
                b'}' if depth <= 1 => return offset,
                b'}' => depth -= 1,
                _ => {}
            }
        }
        self.code.len().saturating_sub(1)
    }
}

/// Files that are no part of the product, by their place.
fn is_test_path(path: &str) -> bool {
    let is_test_part = |part: &str| matches!(part, "tests" | "benches" | "examples" | "tests.rs" | "fuzz_targets");
    path.split('/').any(is_test_part)
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

/// The identifier that follows spaces after `position`; none if something else does.
fn word_after(code: &str, position: usize) -> Option<&str> {
    let rest = code.get(position..)?.trim_start();
    let length = rest.bytes().take_while(|byte| is_word_byte(*byte)).count();
    (length > 0).then(|| &rest[..length])
}

/// Replaces comments and literals by spaces, byte for byte.
fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = Vec::with_capacity(bytes.len());
    while code.len() < bytes.len() {
        let start = code.len();
        match blanked_end(bytes, start) {
            Some(end) => {
                let end = end.min(bytes.len());
                code.extend(bytes[start..end].iter().map(|byte| if *byte == b'\n' { b'\n' } else { b' ' }));
            }
            None => code.push(bytes[start]),
        }
    }
    String::from_utf8_lossy(&code).into_owned()
}

/// If a comment or a literal starts at `start`, where it ends.
fn blanked_end(bytes: &[u8], start: usize) -> Option<usize> {
    let rest = &bytes[start..];
    match rest {
        [b'/', b'/', ..] => Some(start + rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len())),
        [b'/', b'*', ..] => Some(block_comment_end(bytes, start)),
        [b'"', ..] => Some(quoted_end(bytes, start + 1, b'"')),
        [b'\'', b'\\', ..] => Some(quoted_end(bytes, start + 1, b'\'')),
        [b'\'', ..] => character_end(bytes, start),
        [b'r', b'"' | b'#', ..] if starts_raw_string(bytes, start) => raw_string_end(bytes, start),
        _ => None,
    }
}

fn block_comment_end(bytes: &[u8], start: usize) -> usize {
    let mut depth = 0_u32;
    let mut position = start;
    while position + 1 < bytes.len() {
        match (bytes[position], bytes[position + 1]) {
            (b'/', b'*') => depth += 1,
            (b'*', b'/') => depth -= 1,
            _ => {
                position += 1;
                continue;
            }
        }
        position += 2;
        if depth == 0 {
            return position;
        }
    }
    bytes.len()
}

/// Behind the closing quote; a backslash takes the next byte with it.
fn quoted_end(bytes: &[u8], mut position: usize, quote: u8) -> usize {
    while position < bytes.len() {
        match bytes[position] {
            b'\\' => position += 2,
            byte if byte == quote => return position + 1,
            _ => position += 1,
        }
    }
    bytes.len()
}

/// A quote opens a character only if another closes it right behind one character; otherwise it is a lifetime.
fn character_end(bytes: &[u8], start: usize) -> Option<usize> {
    let length = match bytes.get(start + 1)? {
        0x00..=0x7f => 1,
        0x80..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xff => 4,
    };
    (bytes.get(start + 1 + length) == Some(&b'\'')).then_some(start + length + 2)
}

/// The letter `r` opens a raw string where it is not the end of a word (but `br` and `cr` do too).
fn starts_raw_string(bytes: &[u8], start: usize) -> bool {
    let is_word = |distance: usize| start.checked_sub(distance).is_some_and(|position| is_word_byte(bytes[position]));
    let has_prefix = start > 0 && matches!(bytes[start - 1], b'b' | b'c') && !is_word(2);
    !is_word(1) || has_prefix
}

fn raw_string_end(bytes: &[u8], start: usize) -> Option<usize> {
    let hashes = bytes[start + 1..].iter().take_while(|byte| **byte == b'#').count();
    let body = start + 1 + hashes + 1;
    if bytes.get(body - 1) != Some(&b'"') {
        return None;
    }
    let closes = |position: &usize| {
        bytes[*position] == b'"' && bytes[position + 1..].iter().take_while(|byte| **byte == b'#').count() >= hashes
    };
    Some((body..bytes.len()).find(closes).map_or(bytes.len(), |position| position + 1 + hashes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_blank(text: &str, expected: &str) {
        assert_eq!(blank(text), expected, "{text}");
    }

    #[test]
    fn comments_and_literals_are_blanked() {
        check_blank("a // b", "a     ");
        check_blank("a /* b /* c */ d */ e", "a                   e");
        check_blank(r#"f("{ \" }") }"#, "f(        ) }");
        check_blank("r#\"a\"b\"# c", "         c");
        check_blank("br\"\\\" c", "b     c");
        check_blank("'{' '\\'' 'ä' x", "              x");
        check_blank("fn f<'a>(x: &'a str) {}", "fn f<'a>(x: &'a str) {}");
        check_blank("r#fn for\"x\"", "r#fn for   ");
        check_blank("\"open\nend", "     \n   ");
    }

    #[test]
    fn functions_are_found_with_their_lines() {
        let declared = "trait T {\n    fn declared(&self);\n}\n";
        let whole = "fn whole(f: fn(u8)) -> [u8; 2]\nwhere\n    A: B,\n{\n    \"}\";\n}\n";
        let text = &format!("{declared}{whole}");
        let source = RustSource::new("a.rs", text);
        let found: Vec<_> =
            source.functions().map(|function| (function.name, function.line, function.line_count)).collect();
        assert_eq!(found, [("whole", 4, 6)]);
    }

    #[test]
    fn test_code_is_told_apart() {
        let text = "fn product() {}\n#[cfg(test)]\nmod tests {\n    fn inner() {}\n}\nfn more() {}\n";
        let source = RustSource::new("crates/a/src/b.rs", text);
        let in_tests: Vec<_> =
            source.functions().map(|function| (function.name, source.is_test(function.range.start))).collect();
        assert_eq!(in_tests, [("product", false), ("inner", true), ("more", false)]);
        assert_eq!(source.product_line_count(), 2);
        assert_eq!(RustSource::new("crates/a/tests/b.rs", text).product_line_count(), 0);
    }

    #[test]
    fn a_test_module_in_a_file_of_its_own_is_named() {
        let text = "#[cfg(test)]\nmod model;\n";
        let files = |path: &str| RustSource::new(path, text).test_module_files();
        assert_eq!(files("crates/a/src/lib.rs")[0], "crates/a/src/model.rs");
        assert_eq!(files("crates/a/src/wal.rs")[0], "crates/a/src/wal/model.rs");
    }
}
