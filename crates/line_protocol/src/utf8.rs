//! Bodies that are not UTF-8: makes text of the same length of them, so that the good lines can be parsed as ever, and
//! remembers where the damage is, so that the lines that hold it are refused.

/// A body with its damaged bytes masked.
#[derive(Debug)]
pub(crate) struct Masked {
    /// As long as the body, each damaged byte replaced by `?`, which means nothing in line protocol.
    pub(crate) text: String,
    /// Positions of the damaged bytes, rising.
    pub(crate) damaged: Vec<u32>,
}

/// Masks what is not UTF-8.
#[cold]
pub(crate) fn mask(body: &[u8]) -> Masked {
    let mut text = String::with_capacity(body.len());
    let mut damaged = Vec::new();
    for chunk in body.utf8_chunks() {
        text.push_str(chunk.valid());
        for _ in chunk.invalid() {
            damaged.push(text.len() as u32);
            text.push('?');
        }
    }
    Masked { text, damaged }
}
