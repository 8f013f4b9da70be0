//! Values in cells: the types of annotated CSV with their formats, as fields of line protocol.

use storage::line_text;

/// What a column of values holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// A value as line protocol writes it.
    AsIs,
    Text,
    Double(Digits),
    Long(Digits),
    UnsignedLong(Digits),
    Boolean(Words),
    /// Becomes nanoseconds.
    Duration,
}

/// How numbers are written.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Digits {
    /// Stands before the fraction.
    point: char,
    /// Stand between digits without a meaning.
    ignored: Vec<char>,
    /// Whether an integer may have a fraction, which is then cut off.
    cuts_fractions: bool,
}

impl Digits {
    /// `,. `: the mark of fractions, then what is left out. `strict` in front refuses fractions of integers, as no
    /// format at all does.
    fn parse(format: Option<&str>) -> Self {
        let (format, cuts_fractions) = match format.map(|format| (format, format.strip_prefix("strict"))) {
            None => ("", false),
            Some((_, Some(format))) => (format, false),
            Some((format, None)) => (format, true),
        };
        let mut characters = format.chars();
        match characters.next() {
            None => Self { point: '.', ignored: vec![' ', '\n', '\t', '\r', '_'], cuts_fractions },
            Some(point) => Self { point, ignored: characters.collect(), cuts_fractions },
        }
    }

    /// The digits as Rust reads them.
    fn plain(&self, text: &str, is_integer: bool) -> Result<String, &'static str> {
        let mut plain = String::new();
        for character in text.chars().filter(|character| !self.ignored.contains(character)) {
            match character == self.point {
                true if is_integer && self.cuts_fractions => break,
                true if is_integer => return Err("integer"),
                true => plain.push('.'),
                false => plain.push(character),
            }
        }
        Ok(plain)
    }
}

/// Words for yes and no.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Words {
    yes: Vec<String>,
    no: Vec<String>,
}

impl Words {
    /// `y,Y:n,N`; where one side is empty, it is everything that the other is not.
    fn parse(format: Option<&str>) -> Result<Option<Self>, String> {
        let Some(format) = format else { return Ok(None) };
        let sides = format.split_once(':');
        let (yes, no) =
            sides.ok_or_else(|| format!("the format {format:?} of booleans is not like true,yes:false,no"))?;
        let words = |side: &str| match side {
            "" => Vec::new(),
            side => side.split(',').map(str::to_owned).collect(),
        };
        Ok(Some(Self { yes: words(yes), no: words(no) }))
    }

    fn usual() -> Self {
        let words = |words: [&str; 5]| words.map(str::to_owned).to_vec();
        Self { yes: words(["true", "t", "yes", "y", "1"]), no: words(["false", "f", "no", "n", "0"]) }
    }

    fn value(&self, text: &str) -> Option<bool> {
        let is_in = |words: &[String]| words.iter().any(|word| word == text);
        match (is_in(&self.yes), is_in(&self.no)) {
            (_, true) => Some(false),
            (true, false) => Some(true),
            _ if self.no.is_empty() => Some(false),
            _ if self.yes.is_empty() => Some(true),
            _ => None,
        }
    }
}

impl Kind {
    /// The type of a column of values, with what stands behind its colon.
    pub(super) fn parse(name: &str, format: Option<&str>) -> Result<Self, String> {
        Ok(match name {
            "" | "field" => Self::AsIs,
            "string" | "base64Binary" => Self::Text,
            "double" => Self::Double(Digits::parse(format)),
            "long" => Self::Long(Digits::parse(format)),
            "unsignedLong" => Self::UnsignedLong(Digits::parse(format)),
            "boolean" => Self::Boolean(Words::parse(format)?.unwrap_or_else(Words::usual)),
            "duration" => Self::Duration,
            other => return Err(format!("the type {other:?} is not known here")),
        })
    }

    /// Adds `name=value`, behind a comma if there are fields already.
    pub(super) fn push_field(&self, fields: &mut String, name: &str, text: &str) -> Result<(), String> {
        let refuse = |what: &str| format!("{text:?} in column {name:?} is no {what}");
        if !fields.is_empty() {
            fields.push(',');
        }
        line_text::push_name(fields, name);
        fields.push('=');
        match self {
            Self::AsIs => fields.push_str(text),
            Self::Text => line_text::push_string(fields, text),
            Self::Double(digits) => {
                let plain = digits.plain(text, false).map_err(refuse)?;
                let value: f64 = plain.parse().map_err(|_| refuse("number"))?;
                if !value.is_finite() {
                    return Err(refuse("number that a point can have"));
                }
                line_text::push_float(fields, value);
            }
            Self::Long(digits) => {
                let value: i64 = digits.plain(text, true).map_err(refuse)?.parse().map_err(|_| refuse("integer"))?;
                fields.push_str(&format!("{value}i"));
            }
            Self::UnsignedLong(digits) => {
                let value = digits.plain(text, true).map_err(refuse)?.parse::<u64>();
                fields.push_str(&format!("{}u", value.map_err(|_| refuse("unsigned integer"))?));
            }
            Self::Boolean(words) => {
                let lower = text.to_ascii_lowercase();
                let value =
                    words.value(text).or_else(|| Words::usual().value(&lower).filter(|_| *words == Words::usual()));
                fields.push_str(if value.ok_or_else(|| refuse("boolean"))? { "true" } else { "false" });
            }
            Self::Duration => {
                let value = duration_ns(text).ok_or_else(|| refuse("duration"))?;
                fields.push_str(&format!("{value}i"));
            }
        }
        Ok(())
    }
}

/// Nanoseconds of a duration as Go writes it: `-1h30m`, `1.5ms`.
fn duration_ns(text: &str) -> Option<i64> {
    const UNITS: [(&str, i128); 7] = [
        ("ns", 1),
        ("us", 1_000),
        ("µs", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
    ];
    let (is_negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    let mut total_ns = 0_i128;
    loop {
        let number_end = rest.find(|character: char| !character.is_ascii_digit() && character != '.')?;
        let (number, behind) = rest.split_at(number_end);
        let unit_end = behind.find(|character: char| character.is_ascii_digit() || character == '.');
        let (unit, next) = behind.split_at(unit_end.unwrap_or(behind.len()));
        let (_, unit_ns) = UNITS.iter().find(|(name, _)| *name == unit)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        // More digits than these are less than a nanosecond of any unit.
        let fraction = fraction.get(..fraction.len().min(18))?;
        let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        let part: i128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
        let scale = 10_i128.pow(u32::try_from(fraction.len()).ok()?);
        let part_ns = whole.checked_mul(*unit_ns)?.checked_add(part.checked_mul(*unit_ns)? / scale)?;
        total_ns = total_ns.checked_add(part_ns)?;
        if next.is_empty() {
            return i64::try_from(if is_negative { -total_ns } else { total_ns }).ok();
        }
        rest = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_and_their_formats() {
        let field = |kind: &str, text: &str| {
            let (name, format) = kind.split_once(':').map_or((kind, None), |(name, format)| (name, Some(format)));
            let mut fields = String::new();
            Kind::parse(name, format)?.push_field(&mut fields, "f", text).map(|()| fields)
        };
        for (kind, text, expected) in [
            ("double", "1 234.5", Ok("f=1234.5")),
            ("double:,. ", "123.456,78", Ok("f=123456.78")),
            ("long", "1_000", Ok("f=1000i")),
            ("long", "1.5", Err("\"1.5\" in column \"f\" is no integer")),
            ("long:.", "1.5", Ok("f=1i")),
            ("long:strict,.", "1.000", Ok("f=1000i")),
            ("long:strict,.", "1,5", Err("\"1,5\" in column \"f\" is no integer")),
            ("unsignedLong:,.", "1.000,9", Ok("f=1000u")),
            ("unsignedLong", "-1", Err("\"-1\" in column \"f\" is no unsigned integer")),
            ("boolean", "Yes", Ok("f=true")),
            ("boolean", "tomato", Err("\"tomato\" in column \"f\" is no boolean")),
            ("boolean:y,Y:n,N", "Y", Ok("f=true")),
            ("boolean:y,Y:n,N", "yes", Err("\"yes\" in column \"f\" is no boolean")),
            ("boolean:y,Y:", "nil", Ok("f=false")),
            ("boolean::n", "y", Ok("f=true")),
            ("boolean:y", "y", Err("the format \"y\" of booleans is not like true,yes:false,no")),
            ("duration", "1h30m", Ok("f=5400000000000i")),
            ("duration", "-1.5ms", Ok("f=-1500000i")),
            ("duration", "1", Err("\"1\" in column \"f\" is no duration")),
            ("base64Binary", "aGk=", Ok("f=\"aGk=\"")),
            ("field", "5u", Ok("f=5u")),
            ("decimal", "5", Err("the type \"decimal\" is not known here")),
        ] {
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(field(kind, text), expected, "{kind} {text}");
        }
    }
}
