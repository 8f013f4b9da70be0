//! A query that is uploaded as a file: the field `q` of a `multipart/form-data` body (RFC 7578), as `curl -F` sends it.
//! The other fields are parameters. The body is small and in memory, so it is only taken apart.

use crate::request::Parameters;

/// The value of `boundary` in a content type, if that is a multipart form.
pub(super) fn boundary(content_type: &str) -> Option<&str> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let value = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then_some(value.trim())
    })?;
    let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    // RFC 2046 allows 70 bytes.
    (1..=70).contains(&value.len()).then_some(value)
}

/// The fields of a body, in their order.
///
/// # Errors
/// What is wrong with the body.
pub(super) fn fields(body: &[u8], boundary: &str) -> Result<Parameters, &'static str> {
    let delimiter = format!("\r\n--{boundary}");
    // The first delimiter has no line before it.
    let start = delimiter.as_bytes().get(2..).unwrap_or_default();
    let behind = match body.strip_prefix(start) {
        Some(rest) => Some(rest),
        None => find(body, delimiter.as_bytes()).and_then(|place| body.get(place + delimiter.len()..)),
    };
    let mut rest = behind.ok_or("the boundary of the content type is not in the body")?;
    let mut pairs = Vec::new();
    while !rest.starts_with(b"--") {
        let part = rest.strip_prefix(b"\r\n").ok_or("a boundary is not followed by a line break")?;
        let end = find(part, delimiter.as_bytes()).ok_or("the last boundary is missing")?;
        let (content, behind) = part.split_at(end);
        rest = behind.get(delimiter.len()..).unwrap_or_default();
        let head_end = find(content, b"\r\n\r\n").ok_or("a part has no end of its headers")?;
        let (head, value) = content.split_at(head_end);
        let text = |bytes| std::str::from_utf8(bytes).map_err(|_| "a part is not UTF-8");
        let name = name(text(head)?).ok_or("a part has no name")?;
        pairs.push((name.to_owned(), text(value.get(4..).unwrap_or_default())?.to_owned()));
    }
    Ok(Parameters::from_pairs(pairs))
}

/// `name` of `Content-Disposition: form-data; name="q"; filename="f"`.
fn name(head: &str) -> Option<&str> {
    let line = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
    })?;
    line.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim();
        let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
        name.trim().eq_ignore_ascii_case("name").then_some(value)
    })
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len().max(1)).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn boundaries() {
        for (content_type, expected) in [
            ("multipart/form-data; boundary=abc", Some("abc")),
            ("Multipart/Form-Data; charset=utf-8; Boundary=\"a b\"", Some("a b")),
            ("multipart/form-data", None),
            ("multipart/form-data; boundary=", None),
            ("text/plain; boundary=abc", None),
        ] {
            assert_eq!(boundary(content_type), expected, "{content_type}");
        }
    }

    #[test]
    fn a_file_and_a_field() {
        let body = concat!(
            "preamble\r\n--b\r\nContent-Disposition: form-data; name=\"q\"; filename=\"queries.txt\"\r\n",
            "Content-Type: text/plain\r\n\r\nSELECT 1\r\n--x\r\n--b\r\n",
            "content-disposition: form-data; name=db\r\n\r\nd\r\n--b--\r\n"
        );
        let fields = fields(body.as_bytes(), "b").unwrap();
        assert_eq!((fields.get("q"), fields.get("db")), (Some("SELECT 1\r\n--x"), Some("d")));
    }

    #[test]
    fn what_is_no_form() {
        let head = "Content-Disposition: form-data; name=\"q\"";
        for (body, expected) in [
            (String::new(), "the boundary of the content type is not in the body"),
            ("x--b\r\n".to_owned(), "the boundary of the content type is not in the body"),
            ("--bx".to_owned(), "a boundary is not followed by a line break"),
            (format!("--b\r\n{head}\r\n\r\nx"), "the last boundary is missing"),
            (format!("--b\r\n{head}\r\n--b--"), "a part has no end of its headers"),
            ("--b\r\nX: y\r\n\r\nx\r\n--b--".to_owned(), "a part has no name"),
        ] {
            assert_eq!(fields(body.as_bytes(), "b").unwrap_err(), expected, "{body}");
        }
        let bytes = [b"--b\r\n", head.as_bytes(), b"\r\n\r\n\xff\r\n--b--"].concat();
        assert_eq!(fields(&bytes, "b").unwrap_err(), "a part is not UTF-8");
    }
}
