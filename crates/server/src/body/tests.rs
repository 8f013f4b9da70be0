//! Encodings whole and broken, limits of size and time, and the budget that all bodies share.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::io::Write;

use flate2::Compression;
use futures::StreamExt;

use super::*;

const KIB: u64 = 1024;

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn zlib(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn raw_deflate(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn zstd_frame(data: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn flip(mut bytes: Vec<u8>, from_end: usize) -> Vec<u8> {
    let index = bytes.len() - from_end;
    bytes[index] ^= 0xff;
    bytes
}

fn reader(limits: &Limits) -> BodyReader {
    let budget = ByteBudget::new(limits.bodies_in_flight_bytes);
    BodyReader::new(limits, budget, CpuPool::new(2))
}

fn headers(encodings: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for encoding in encodings {
        headers.append(header::CONTENT_ENCODING, encoding.parse().unwrap());
    }
    headers
}

#[test]
fn content_encodings() {
    for (values, expected) in [
        (&[][..], Some(ContentEncoding::Identity)),
        (&[""], Some(ContentEncoding::Identity)),
        (&["identity"], Some(ContentEncoding::Identity)),
        (&["gzip"], Some(ContentEncoding::Gzip)),
        (&["GZip"], Some(ContentEncoding::Gzip)),
        (&["x-GZIP"], Some(ContentEncoding::Gzip)),
        (&[" gzip , identity"], Some(ContentEncoding::Gzip)),
        (&["deflate"], Some(ContentEncoding::Deflate)),
        (&["ZSTD"], Some(ContentEncoding::Zstd)),
        (&["gzip", "gzip"], None),
        (&["gzip, zstd"], None),
        (&["br"], None),
        (&["gzipped"], None),
        (&["g zip"], None),
    ] {
        let result = ContentEncoding::from_headers(&headers(values));
        assert_eq!(result.as_ref().ok(), expected.as_ref(), "{values:?}");
        if expected.is_none() {
            assert!(matches!(result, Err(BodyError::UnsupportedEncoding(_))), "{values:?}");
        }
    }
}

/// `expected`: the decompressed text, or the text that the error must contain.
async fn check(encoding: ContentEncoding, wire: &[u8], expected: Result<&str, &str>) {
    let result = reader(&Limits::default()).read_write_body(Body::from(wire.to_vec()), encoding).await;
    match (result, expected) {
        (Ok(body), Ok(text)) => assert_eq!(body.bytes, text.as_bytes()),
        (Err(error), Err(text)) => assert!(error.to_string().contains(text), "{error} does not name {text:?}"),
        (result, expected) => panic!("{encoding:?} {wire:02x?}: {result:?}, expected {expected:?}"),
    }
}

#[tokio::test]
async fn gzip_bodies() {
    let encoding = ContentEncoding::Gzip;
    let whole = gzip(b"m f=1");
    check(encoding, &whole, Ok("m f=1")).await;
    check(encoding, &[gzip(b"m f=1\n"), gzip(b""), gzip(b"m f=2")].concat(), Ok("m f=1\nm f=2")).await;
    check(encoding, b"", Err("unexpected EOF")).await;
    check(encoding, b"m f=1", Err("gzip: invalid header")).await;
    check(encoding, &[0x1f, 0x8b, 9, 0, 0, 0, 0, 0, 0, 0, 1], Err("gzip: invalid header")).await;
    for length in 1..whole.len() {
        check(encoding, &whole[..length], Err("unexpected EOF")).await;
    }
    check(encoding, &flip(whole.clone(), 8), Err("gzip: invalid checksum")).await;
    check(encoding, &flip(whole.clone(), 1), Err("gzip: invalid checksum")).await;
    check(encoding, &[&whole[..], b"x"].concat(), Err("trailing garbage")).await;
    check(encoding, &[&whole[..], &[0; 8]].concat(), Err("trailing garbage")).await;
    check(encoding, &[&whole[..], &whole[..9]].concat(), Err("unexpected EOF")).await;
    let mut corrupt = gzip(&[b'x'; 1000]);
    corrupt[10..].fill(0xff);
    check(encoding, &corrupt, Err("gzip: corrupt data")).await;
}

#[test]
fn the_length_in_compressed_data_is_a_hint_that_cannot_be_abused() {
    let expected = |encoding, wire: &[u8]| expected_length(encoding, wire);
    assert_eq!(expected(ContentEncoding::Gzip, &gzip(b"m f=1")), 5);
    assert_eq!(expected(ContentEncoding::Gzip, b""), 0);
    assert_eq!(expected(ContentEncoding::Gzip, &[0xff; 3]), 0);
    assert_eq!(expected(ContentEncoding::Gzip, &[0xff; 10]), 10 * 1032);
    assert_eq!(expected(ContentEncoding::Zstd, &zstd::bulk::compress(b"m f=1", 3).unwrap()), 5);
    let body = vec![b'x'; 300_000];
    let one = gzip(&body);
    // Several members: the length is that of the last one, here too short.
    let several = [gzip(&body[..200_000]), gzip(&body[200_000..])].concat();
    let known = zstd::bulk::compress(&body, 3).unwrap();
    for (encoding, wire) in [
        (ContentEncoding::Gzip, one),
        (ContentEncoding::Gzip, several),
        (ContentEncoding::Deflate, zlib(&body)),
        (ContentEncoding::Zstd, known),
        (ContentEncoding::Zstd, zstd_frame(&body)),
    ] {
        let budget = ByteBudget::new(300_000);
        let mut reservation = budget.reservation();
        let bytes = decompress(encoding, &wire, 1 << 20, &mut reservation).unwrap();
        assert!(bytes == body && bytes.capacity() == 300_000, "{encoding:?}");
        assert_eq!(budget.used_bytes(), 300_000, "{encoding:?}");
    }
}

#[tokio::test]
async fn deflate_bodies() {
    let encoding = ContentEncoding::Deflate;
    check(encoding, &zlib(b"m f=1"), Ok("m f=1")).await;
    check(encoding, &raw_deflate(b"m f=1"), Ok("m f=1")).await;
    check(encoding, b"", Err("unexpected EOF")).await;
    check(encoding, &zlib(b"m f=1")[..6], Err("unexpected EOF")).await;
    check(encoding, &flip(zlib(b"m f=1"), 1), Err("deflate: corrupt data")).await;
    check(encoding, &[zlib(b"m f=1"), b"x".to_vec()].concat(), Err("trailing garbage")).await;
}

#[tokio::test]
async fn zstd_bodies() {
    let encoding = ContentEncoding::Zstd;
    let whole = zstd_frame(b"m f=1");
    check(encoding, &whole, Ok("m f=1")).await;
    check(encoding, &[zstd_frame(b"m f=1\n"), zstd_frame(b"m f=2")].concat(), Ok("m f=1\nm f=2")).await;
    check(encoding, b"", Err("unexpected EOF")).await;
    check(encoding, b"m f=1", Err("zstd: invalid header")).await;
    for length in 1..whole.len() {
        check(encoding, &whole[..length], Err("unexpected EOF")).await;
    }
    check(encoding, &flip(whole.clone(), 1), Err("zstd: invalid checksum")).await;
    check(encoding, &[&whole[..], b"xxxx"].concat(), Err("trailing garbage")).await;
}

#[tokio::test]
async fn a_zstd_window_beyond_the_limit_is_refused() {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    encoder.window_log(27).unwrap();
    encoder.write_all(b"m f=1").unwrap();
    let wire = encoder.finish().unwrap();
    check(ContentEncoding::Zstd, &wire, Err("zstd: corrupt data")).await;
}

fn small_limits() -> Limits {
    Limits {
        write_body_bytes: 4 * KIB,
        decompressed_body_bytes: 64 * KIB,
        bodies_in_flight_bytes: 256 * KIB,
        ..Limits::default()
    }
}

#[tokio::test]
async fn a_bomb_is_cut_at_the_limit_and_frees_its_memory() {
    let reader = reader(&small_limits());
    let fits = vec![b' '; 64 << 10];
    let bomb = vec![b' '; (64 << 10) + 1];
    let gzips =
        [(gzip(&fits), gzip(&bomb), ContentEncoding::Gzip), (zlib(&fits), zlib(&bomb), ContentEncoding::Deflate)];
    let zstds = (zstd_frame(&fits), zstd_frame(&bomb), ContentEncoding::Zstd);
    for (fits, bomb, encoding) in gzips.into_iter().chain([zstds]) {
        let body = reader.read_write_body(Body::from(fits), encoding).await.unwrap();
        assert_eq!(body.bytes.len(), 64 << 10);
        assert_eq!(reader.budget.used_bytes(), 64 * KIB, "{encoding:?}");
        drop(body);
        let error = reader.read_write_body(Body::from(bomb), encoding).await.unwrap_err();
        assert!(matches!(error, BodyError::TooLarge { decompressed: true, limit_bytes } if limit_bytes == 64 * KIB));
        assert_eq!(reader.budget.used_bytes(), 0);
    }
}

#[tokio::test]
async fn bodies_too_large_on_the_wire() {
    let reader = reader(&small_limits());
    let big = vec![0_u8; 5 << 10];
    let error = reader.read_write_body(Body::from(big.clone()), ContentEncoding::Gzip).await.unwrap_err();
    assert!(matches!(error, BodyError::TooLarge { decompressed: false, .. }), "{error}");
    // Without a length in the header the body is cut while it comes.
    let pieces =
        futures::stream::iter(big.chunks(1000).map(|piece| Ok::<_, io::Error>(piece.to_vec())).collect::<Vec<_>>());
    let error = reader.read_write_body(Body::from_stream(pieces), ContentEncoding::Gzip).await.unwrap_err();
    assert!(matches!(error, BodyError::TooLarge { decompressed: false, .. }), "{error}");
    assert_eq!(reader.budget.used_bytes(), 0);
}

#[tokio::test]
async fn pieces_are_put_together() {
    let pieces = ["m ", "f=", "1"].map(|piece| Ok::<_, io::Error>(piece.to_owned()));
    let body = Body::from_stream(futures::stream::iter(pieces));
    let body = reader(&small_limits()).read_write_body(body, ContentEncoding::Identity).await.unwrap();
    assert_eq!((&body.bytes[..], body.wire_bytes), (&b"m f=1"[..], 5));
}

#[tokio::test]
async fn all_bodies_share_one_budget() {
    let limits = Limits { bodies_in_flight_bytes: 100 * KIB, ..small_limits() };
    let reader = reader(&limits);
    let first = reader.read_write_body(Body::from(vec![b' '; 60 << 10]), ContentEncoding::Identity).await.unwrap();
    let refused = reader.read_write_body(Body::from(vec![b' '; 60 << 10]), ContentEncoding::Identity).await;
    assert!(matches!(refused, Err(BodyError::Busy)));
    let bomb = gzip(&vec![b' '; 60 << 10]);
    let refused = reader.read_write_body(Body::from(bomb), ContentEncoding::Gzip).await;
    assert!(matches!(refused, Err(BodyError::Busy)));
    drop(first);
    let again = reader.read_write_body(Body::from(vec![b' '; 60 << 10]), ContentEncoding::Identity).await;
    assert!(again.is_ok());
}

#[tokio::test]
async fn a_silent_client_is_cut() {
    let silent = futures::stream::iter([Ok::<_, io::Error>("m f=")]).chain(futures::stream::pending());
    let limits = Limits { body_stall: Duration::from_millis(20), ..small_limits() };
    let result = reader(&limits).read_write_body(Body::from_stream(silent), ContentEncoding::Identity).await;
    assert!(matches!(result, Err(BodyError::Stalled(_))), "{result:?}");
}

#[tokio::test]
async fn a_trickling_client_is_cut() {
    // It always has another byte, so it never stalls.
    let trickle = futures::stream::unfold((), |()| async {
        tokio::task::yield_now().await;
        Some((Ok::<_, io::Error>("x"), ()))
    });
    let limits = Limits { body_total: Duration::from_millis(20), decompressed_body_bytes: u64::MAX, ..small_limits() };
    let limits = Limits { bodies_in_flight_bytes: u64::MAX, ..limits };
    let result = reader(&limits).read_write_body(Body::from_stream(trickle), ContentEncoding::Identity).await;
    assert!(matches!(result, Err(BodyError::TooSlow(_))), "{result:?}");
}

#[tokio::test]
async fn a_broken_connection_is_an_error() {
    let broken = futures::stream::iter([Ok("m f=1"), Err(io::Error::other("reset"))]);
    let result = reader(&small_limits()).read_write_body(Body::from_stream(broken), ContentEncoding::Identity).await;
    assert!(matches!(result, Err(BodyError::Interrupted(_))), "{result:?}");
}

#[tokio::test]
async fn small_bodies_have_the_small_limit() {
    let reader = reader(&Limits { json_body_bytes: 30, ..small_limits() });
    let body = reader.read_small_body(Body::from("x".repeat(30)), &headers(&[])).await.unwrap();
    assert_eq!(body.bytes.len(), 30);
    let result = reader.read_small_body(Body::from("x".repeat(31)), &headers(&[])).await;
    assert!(matches!(result, Err(BodyError::TooLarge { decompressed: false, limit_bytes: 30 })));
    let body = reader.read_small_body(Body::from(gzip(b"{}")), &headers(&["gzip"])).await.unwrap();
    assert_eq!(&body.bytes[..], b"{}");
    let result = reader.read_small_body(Body::from(gzip(&[b' '; 31])), &headers(&["gzip"])).await;
    assert!(matches!(result, Err(BodyError::TooLarge { decompressed: true, limit_bytes: 30 })));
}
