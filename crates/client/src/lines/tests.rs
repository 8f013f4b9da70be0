//! Where lines end, which of them get a time, and how they are divided into blocks.

use super::{BatchLimits, LineBlock, LineScanner, Lines, scan_line};
use crate::point::Point;
use crate::write::Precision;

const ROOMY: BatchLimits = BatchLimits { lines: 100, bytes: 10_000 };

fn texts(lines: &Lines, limits: BatchLimits) -> Vec<String> {
    lines.to_blocks(Precision::Nanoseconds, 7, limits).into_iter().map(|block| block.text).collect()
}

#[test]
fn a_line_without_a_time_gets_one_and_no_other_line_changes() {
    let check = |raw: &str, expected: &str| assert_eq!(texts(&raw.into(), ROOMY).concat(), expected, "{raw:?}");
    check("m f=1", "m f=1 7\n");
    check("m f=1 5", "m f=1 5\n");
    check("m f=1 -5", "m f=1 -5\n");
    check("m f=1  5", "m f=1  5\n");
    check("m f=1 ", "m f=1 7\n");
    check("m f=1\r\n", "m f=1 7\n");
    check("m f=1 5\r\nm f=2\r\n", "m f=1 5\nm f=2 7\n");
    check("m,t=a\\ b f=1", "m,t=a\\ b f=1 7\n");
    check("m,t=a\\\\ f=1 x=2", "m,t=a\\\\ f=1 x=2 7\n");
    check("m\\,x,t=a f=1i,g=2u", "m\\,x,t=a f=1i,g=2u 7\n");
    check("m f\\ x=1", "m f\\ x=1 7\n");
    check("m f=\"a b\"", "m f=\"a b\" 7\n");
    check("m f=\"a b\" 5", "m f=\"a b\" 5\n");
    check("m f=\"a\nb\"\nm g=1", "m f=\"a\nb\" 7\nm g=1 7\n");
    check("m f=\"say \\\"hi\\\" \n\" 5", "m f=\"say \\\"hi\\\" \n\" 5\n");
    check("m f=\"C:\\\\\"\nm g=1", "m f=\"C:\\\\\" 7\nm g=1 7\n");
    check("m f=\"a,b=c \",g=2", "m f=\"a,b=c \",g=2 7\n");
    check("m a\"b=1\nm c=2", "m a\"b=1 7\nm c=2 7\n");
    check("m,t=\"q f=1\nm,t=q\" f=1", "m,t=\"q f=1 7\nm,t=q\" f=1 7\n");
}

#[test]
fn blank_lines_and_comments_are_left_out() {
    let check = |raw: &str, expected: &str| assert_eq!(texts(&raw.into(), ROOMY).concat(), expected, "{raw:?}");
    check("", "");
    check("\n \n\t\r\n", "");
    check("# a comment", "");
    check("# f=\"\nm f=1 5\n  # more\n\nm f=2 6", "m f=1 5\nm f=2 6\n");
    check("  m f=1 5", "m f=1 5\n");
}

#[test]
fn a_line_that_cannot_be_read_goes_to_the_server_as_it_is() {
    let check = |raw: &str| assert_eq!(texts(&raw.into(), ROOMY).concat(), format!("{raw}\n"));
    check("m");
    check("m,t=a");
    check("m f");
    check("m f=\"open 5");
    check("m f=1 5 6");
}

#[test]
fn whole_lines_end_where_a_line_feed_is_no_data() {
    let check = |text: &str, expected: &str| assert_eq!(&text[..Lines::complete_length(text)], expected, "{text:?}");
    check("", "");
    check("m f=1", "");
    check("m f=1\n", "m f=1\n");
    check("m f=1 1\nm f=2", "m f=1 1\n");
    check("\n \n# f=\"\nm f=1\n# rest", "\n \n# f=\"\nm f=1\n");
    check("m f=\"a\nb\" 1\nm f=\"a\n", "m f=\"a\nb\" 1\n");
    check("m f=\"a\nb", "");
    check("m f=\"a\\", "");
}

#[test]
fn the_scanner_makes_progress_on_every_input() {
    for text in ["\\", "m \\", "m f=\\", "m f=\"\\", "\\\n\\", "m f=1 \\", "é\\é f=é"] {
        for line in LineScanner::new(text) {
            assert!(!line.text.is_empty(), "{text:?}");
        }
        assert!(scan_line(text.as_bytes()).0 <= text.len());
    }
}

#[test]
fn points_are_written_in_the_precision_with_their_own_time_or_now() {
    let bare = Point::builder("m").field("f", 1);
    let points = vec![bare.clone().timestamp_ns(5_000_000_000).build(), bare.build()];
    let points: Vec<Point> = points.into_iter().flatten().collect();
    let blocks = Lines::from(points).to_blocks(Precision::Seconds, 9, ROOMY);
    assert_eq!(blocks.len(), 1);
    assert_eq!(blocks[0].text, "m f=1i 5\nm f=1i 9\n");
}

#[test]
fn blocks_keep_both_limits() {
    let limits = |lines, bytes| BatchLimits { lines, bytes };
    let raw = "m f=1 1\nm f=2 2\nm f=3 3";
    let check = |limits, expected: &[&str]| assert_eq!(texts(&raw.into(), limits), expected);
    check(limits(2, 1000), &["m f=1 1\nm f=2 2\n", "m f=3 3\n"]);
    check(limits(9, 16), &["m f=1 1\nm f=2 2\n", "m f=3 3\n"]);
    check(limits(9, 15), &["m f=1 1\n", "m f=2 2\n", "m f=3 3\n"]);
    check(limits(9, 3), &["m f=1 1\n", "m f=2 2\n", "m f=3 3\n"]);
}

#[test]
fn a_block_knows_where_its_lines_stand() {
    let mut block = LineBlock::default();
    block.push("m f=\"a\nb\" 1");
    let mut other = LineBlock::default();
    other.push("m f=2 2");
    block.append(&other);
    assert_eq!(block.lines(), 2);
    assert_eq!(&block.text[block.byte_range(&(0..1))], "m f=\"a\nb\" 1\n");
    assert_eq!(&block.text[block.byte_range(&(1..2))], "m f=2 2\n");
    assert_eq!(&block.text[block.byte_range(&(0..2))], block.text);
}
