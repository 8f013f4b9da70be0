//! The links of a paged list, as InfluxDB makes them: `self` always, `next` after a full page, `prev` behind the start.

use catalog::Page;
use serde::Serialize;

use crate::request::percent_encode;

/// The links; in the order on record.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct PageLinks {
    #[serde(skip_serializing_if = "Option::is_none")]
    prev: Option<String>,
    #[serde(rename = "self")]
    this: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

impl PageLinks {
    /// The links of a page of `path` with `count` entries. `filter` are the parameters that narrow the list.
    pub(crate) fn new(path: &str, page: &Page, filter: &[(&str, Option<&str>)], count: usize) -> Self {
        let at = |offset: usize| link(path, &Page { offset, ..*page }, filter);
        Self {
            prev: (page.offset > 0).then(|| at(page.offset.saturating_sub(page.limit))),
            this: at(page.offset),
            next: (count >= page.limit).then(|| at(page.offset + page.limit)),
        }
    }
}

/// The parameters stand in alphabetical order.
fn link(path: &str, page: &Page, filter: &[(&str, Option<&str>)]) -> String {
    let mut parameters: Vec<(&str, String)> = vec![
        ("descending", page.descending.to_string()),
        ("limit", page.limit.to_string()),
        ("offset", page.offset.to_string()),
    ];
    parameters.extend(page.after.map(|id| ("after", format!("{id:016x}"))));
    parameters.extend(filter.iter().filter_map(|(key, value)| Some((*key, percent_encode((*value)?)))));
    parameters.sort();
    let query: Vec<String> = parameters.iter().map(|(key, value)| format!("{key}={value}")).collect();
    format!("{path}?{}", query.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_on_record() {
        let page = |limit, offset, descending| Page { limit, offset, descending, after: None };
        let check = |page: Page, filter: &[(&str, Option<&str>)], count, expected: [Option<&str>; 3]| {
            let links = PageLinks::new("/b", &page, filter, count);
            let got = [links.prev.as_deref(), Some(links.this.as_str()), links.next.as_deref()];
            assert_eq!(got, expected.map(|link| link));
        };
        check(
            page(2, 0, false),
            &[("org", Some("o")), ("orgID", None)],
            2,
            [
                None,
                Some("/b?descending=false&limit=2&offset=0&org=o"),
                Some("/b?descending=false&limit=2&offset=2&org=o"),
            ],
        );
        check(
            page(2, 1, true),
            &[],
            2,
            [
                Some("/b?descending=true&limit=2&offset=0"),
                Some("/b?descending=true&limit=2&offset=1"),
                Some("/b?descending=true&limit=2&offset=3"),
            ],
        );
        check(
            page(20, 0, false),
            &[("bucket", Some("a b"))],
            1,
            [None, Some("/b?bucket=a+b&descending=false&limit=20&offset=0"), None],
        );
        check(page(20, 0, false), &[], 0, [None, Some("/b?descending=false&limit=20&offset=0"), None]);
        let after = Page { after: Some(255), ..page(1, 0, false) };
        let links = PageLinks::new("/b", &after, &[], 0);
        assert_eq!(links.this, "/b?after=00000000000000ff&descending=false&limit=1&offset=0");
    }
}
