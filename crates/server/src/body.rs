//! Bodies of requests: read within bounds of size and time, and decompressed.
//!
//! A body never costs more memory than its limits say, however it was compressed, and all bodies together never more
//! than the budget. What a body says is not looked at here.

use std::io::{self, Read};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use tokio::time::Instant;

use crate::budget::{ByteBudget, ByteReservation, CpuPool, WorkerDied};
use crate::limits::{DECOMPRESS_STEP_BYTES, Limits, REMOTE_WRITE_BYTES, REMOTE_WRITE_DECODED_RATIO, ZSTD_WINDOW_LOG};

/// Why a body could not be had. `api_error` gives each its status.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// `Content-Encoding` names something we cannot undo.
    #[error("unsupported content encoding {0:?}; supported are gzip, deflate, zstd and identity")]
    UnsupportedEncoding(String),
    /// More bytes than a body may have, before or after decompression.
    #[error("unable to read data: the body is larger than {limit_bytes} bytes{}", after_decompression(.decompressed))]
    TooLarge {
        /// The limit.
        limit_bytes: u64,
        /// Whether the limit is the one for the decompressed body.
        decompressed: bool,
    },
    /// All bodies in flight together would need more memory than the server has for them.
    #[error("the server is busy: all memory for request bodies is in use")]
    Busy,
    /// The client was silent for too long.
    #[error("unable to read data: the body stalled for more than {0:?}")]
    Stalled(Duration),
    /// The client took too long for the whole body.
    #[error("unable to read data: the body did not arrive within {0:?}")]
    TooSlow(Duration),
    /// The connection broke before the end of the body.
    #[error("unable to read data: the body ended early: {0}")]
    Interrupted(#[source] axum::Error),
    /// The body cannot be decompressed.
    #[error("unable to read data: {0}")]
    Decompress(#[from] DecompressError),
    /// The thread that decompressed died.
    #[error(transparent)]
    Worker(#[from] WorkerDied),
}

/// What a message says of a limit that holds for decompressed bodies.
fn after_decompression(decompressed: &bool) -> &'static str {
    if *decompressed { " after decompression" } else { "" }
}

/// What is wrong with compressed data. The texts for gzip are InfluxDB's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DecompressError {
    /// It ends in the middle.
    #[error("unexpected EOF: the {0} data is truncated")]
    Truncated(&'static str),
    /// It does not begin like data of its kind.
    #[error("{0}: invalid header")]
    Header(&'static str),
    /// The checksum or the length at the end does not fit the data.
    #[error("{0}: invalid checksum")]
    Checksum(&'static str),
    /// After a whole stream there is something that is no further stream.
    #[error("{0}: trailing garbage after the end of the data")]
    TrailingGarbage(&'static str),
    /// The compressed data makes no sense.
    #[error("{0}: corrupt data")]
    Corrupt(&'static str),
}

/// What `Content-Encoding` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ContentEncoding {
    /// The body is as it is.
    Identity,
    /// One or more gzip members.
    Gzip,
    /// A zlib stream, or a bare deflate stream, which some clients send under this name.
    Deflate,
    /// One or more zstd frames.
    Zstd,
}

impl ContentEncoding {
    /// Reads the header; case does not matter, none means identity.
    pub(crate) fn from_headers(headers: &HeaderMap) -> Result<Self, BodyError> {
        let mut encoding = Self::Identity;
        for value in headers.get_all(header::CONTENT_ENCODING) {
            let unsupported = || BodyError::UnsupportedEncoding(String::from_utf8_lossy(value.as_bytes()).into_owned());
            for name in value.to_str().map_err(|_| unsupported())?.split(',') {
                let next = Self::from_name(name.trim()).ok_or_else(unsupported)?;
                match (encoding, next) {
                    (_, Self::Identity) => {}
                    (Self::Identity, next) => encoding = next,
                    // Compressed twice: nobody does it, and each layer would multiply what a bomb can do.
                    _ => return Err(unsupported()),
                }
            }
        }
        Ok(encoding)
    }

    fn from_name(name: &str) -> Option<Self> {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        match name {
            _ if name.is_empty() || is("identity") => Some(Self::Identity),
            _ if is("gzip") || is("x-gzip") => Some(Self::Gzip),
            _ if is("deflate") => Some(Self::Deflate),
            _ if is("zstd") => Some(Self::Zstd),
            _ => None,
        }
    }
}

/// A body that was received whole. Its bytes count against the budget until it is dropped.
#[derive(Debug)]
pub(crate) struct ReceivedBody {
    /// The body, decompressed.
    pub(crate) bytes: Bytes,
    /// Its length on the wire.
    pub(crate) wire_bytes: usize,
    _reservation: ByteReservation,
}

/// Reads bodies; one for the whole server.
#[derive(Debug, Clone)]
pub(crate) struct BodyReader {
    budget: ByteBudget,
    cpu: CpuPool,
    stall: Duration,
    total: Duration,
    wire_limit: u64,
    decompressed_limit: u64,
    json_limit: u64,
}

impl BodyReader {
    pub(crate) fn new(limits: &Limits, budget: ByteBudget, cpu: CpuPool) -> Self {
        Self {
            budget,
            cpu,
            stall: limits.body_stall,
            total: limits.body_total,
            wire_limit: limits.write_body_bytes,
            decompressed_limit: limits.decompressed_body_bytes,
            json_limit: limits.json_body_bytes,
        }
    }

    /// The body of a write, decompressed.
    pub(crate) async fn read_write_body(
        &self,
        body: Body,
        encoding: ContentEncoding,
    ) -> Result<ReceivedBody, BodyError> {
        let mut reservation = self.budget.reservation();
        let wire_limit = match encoding {
            ContentEncoding::Identity => self.decompressed_limit,
            ContentEncoding::Gzip | ContentEncoding::Deflate | ContentEncoding::Zstd => self.wire_limit,
        };
        let wire = self.receive(body, wire_limit, &mut reservation).await?;
        let wire_bytes = wire.len();
        if encoding == ContentEncoding::Identity {
            return Ok(ReceivedBody { bytes: wire, wire_bytes, _reservation: reservation });
        }
        let mut output = self.budget.reservation();
        let limit = self.decompressed_limit;
        let work = move || decompress(encoding, &wire, limit, &mut output).map(|bytes| (bytes, output));
        let (bytes, output) = self.cpu.run(work).await??;
        Ok(ReceivedBody { bytes: bytes.into(), wire_bytes, _reservation: output })
    }

    /// The body of a remote write or read of Prometheus: one block of Snappy. Beside its own length the reservation has
    /// what it may take when it is decoded.
    pub(crate) async fn read_snappy_body(&self, body: Body) -> Result<ReceivedBody, BodyError> {
        let mut reservation = self.budget.reservation();
        let limit = REMOTE_WRITE_BYTES.min(self.decompressed_limit / REMOTE_WRITE_DECODED_RATIO);
        let wire = self.receive(body, self.wire_limit.min(limit), &mut reservation).await?;
        let wire_bytes = wire.len();
        let mut output = self.budget.reservation();
        let work = move || unsnap(&wire, limit, &mut output).map(|bytes| (bytes, output));
        let (bytes, output) = self.cpu.run(work).await??;
        Ok(ReceivedBody { bytes: bytes.into(), wire_bytes, _reservation: output })
    }

    /// Room for a message of gRPC that is on its way in.
    pub(crate) fn room_for(&self, bytes: u64) -> Result<ByteReservation, BodyError> {
        let mut reservation = self.budget.reservation();
        if reservation.grow(bytes) { Ok(reservation) } else { Err(BodyError::Busy) }
    }

    /// The longest silence within a body.
    pub(crate) fn stall(&self) -> Duration {
        self.stall
    }

    /// The body of a JSON or form request, which may be compressed like any other.
    pub(crate) async fn read_small_body(&self, body: Body, headers: &HeaderMap) -> Result<ReceivedBody, BodyError> {
        let reader = Self { wire_limit: self.json_limit, decompressed_limit: self.json_limit, ..self.clone() };
        reader.read_write_body(body, ContentEncoding::from_headers(headers)?).await
    }

    /// Collects a body as it comes, within the limits of size, silence and time.
    async fn receive(
        &self,
        mut body: Body,
        limit_bytes: u64,
        reservation: &mut ByteReservation,
    ) -> Result<Bytes, BodyError> {
        let too_large = || BodyError::TooLarge { limit_bytes, decompressed: false };
        let announced = http_body::Body::size_hint(&body);
        if announced.lower() > limit_bytes {
            return Err(too_large());
        }
        let deadline = Instant::now() + self.total;
        let mut collected = Received { bytes: Vec::new(), limit_bytes, reservation };
        let mut first: Option<Bytes> = None;
        loop {
            let next = tokio::time::timeout(self.stall, body.frame());
            let frame = tokio::time::timeout_at(deadline, next)
                .await
                .map_err(|_| BodyError::TooSlow(self.total))?
                .map_err(|_| BodyError::Stalled(self.stall))?;
            let Some(frame) = frame else { break };
            let Ok(chunk) = frame.map_err(BodyError::Interrupted)?.into_data() else {
                continue;
            };
            let length = first.as_ref().map_or(0, Bytes::len) + collected.bytes.len() + chunk.len();
            if length as u64 > limit_bytes {
                return Err(too_large());
            }
            // A body that comes in one piece is not copied.
            if first.is_none() && collected.bytes.is_empty() {
                if !collected.reservation.grow(chunk.len() as u64) {
                    return Err(BodyError::Busy);
                }
                first = Some(chunk);
                continue;
            }
            if let Some(first) = first.take() {
                collected.make_room(capacity_for(announced.exact(), length))?;
                collected.append(&first)?;
                collected.reservation.shrink(first.len() as u64);
            }
            collected.append(&chunk)?;
        }
        Ok(first.unwrap_or_else(|| collected.bytes.into()))
    }
}

/// Decompresses a block of Snappy, whose head says how long it is.
fn unsnap(wire: &[u8], limit_bytes: u64, reservation: &mut ByteReservation) -> Result<Vec<u8>, BodyError> {
    let corrupt = |_| BodyError::Decompress(DecompressError::Corrupt("snappy"));
    let length = snap::raw::decompress_len(wire).map_err(corrupt)? as u64;
    if length > limit_bytes {
        return Err(BodyError::TooLarge { limit_bytes, decompressed: true });
    }
    if !reservation.grow(length * (1 + REMOTE_WRITE_DECODED_RATIO)) {
        return Err(BodyError::Busy);
    }
    snap::raw::Decoder::new().decompress_vec(wire).map_err(corrupt)
}

/// How much room to make for a body whose length may be known. A client can claim a length and never send it, so a
/// claim gets 4 MiB at once and the rest as it comes.
fn capacity_for(announced: Option<u64>, received: usize) -> usize {
    let announced = announced.map_or(0, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    announced.min(4 << 20).max(received)
}

/// Decompresses `wire` into one buffer of exactly its length, never more than `limit_bytes`, counted in `reservation`.
///
/// A buffer that grows would cost up to twice its length while it is copied. So the first pass takes the length that
/// the data says it has, and if that was too little goes on to count only; then a second pass knows.
fn decompress(
    encoding: ContentEncoding,
    wire: &[u8],
    limit_bytes: u64,
    reservation: &mut ByteReservation,
) -> Result<Vec<u8>, BodyError> {
    let expected = expected_length(encoding, wire).min(limit_bytes);
    let mut output = Output::new(expected, limit_bytes, reservation)?;
    decompress_into(encoding, wire, &mut output)?;
    if !output.is_kept {
        let length = output.length;
        output = Output::new(length, limit_bytes, reservation)?;
        decompress_into(encoding, wire, &mut output)?;
    }
    Ok(output.bytes)
}

fn decompress_into(encoding: ContentEncoding, wire: &[u8], output: &mut Output<'_>) -> Result<(), BodyError> {
    match encoding {
        ContentEncoding::Identity => output.fill(&mut &*wire, |_| DecompressError::Corrupt("identity")),
        ContentEncoding::Gzip => gunzip(wire, output),
        ContentEncoding::Deflate => inflate(wire, output),
        ContentEncoding::Zstd => unzstd(wire, output),
    }
}

/// The length that compressed data says it has when decompressed; a guess where it says nothing. It may be a lie.
fn expected_length(encoding: ContentEncoding, wire: &[u8]) -> u64 {
    /// Of a small body, whose second pass would cost more than the room.
    const GUESS_BYTES: u64 = DECOMPRESS_STEP_BYTES as u64;
    /// The best that deflate can do: 258 bytes for two bits.
    const DEFLATE_RATIO_MAX: u64 = 1032;
    match encoding {
        ContentEncoding::Identity => wire.len() as u64,
        // RFC 1952: the last four bytes, of the last member.
        ContentEncoding::Gzip => {
            let length = wire.last_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
            u64::from(length).min((wire.len() as u64).saturating_mul(DEFLATE_RATIO_MAX))
        }
        ContentEncoding::Deflate => GUESS_BYTES,
        ContentEncoding::Zstd => zstd::zstd_safe::get_frame_content_size(wire).ok().flatten().unwrap_or(GUESS_BYTES),
    }
}

/// The first two bytes of every gzip member (RFC 1952, 2.3.1).
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Member by member, so that what follows the last one can be told from what it holds.
fn gunzip(wire: &[u8], output: &mut Output<'_>) -> Result<(), BodyError> {
    let mut rest = wire;
    let mut is_first = true;
    loop {
        let may_be_cut = rest.len() < GZIP_MAGIC.len() && GZIP_MAGIC.starts_with(rest);
        if !rest.starts_with(&GZIP_MAGIC) && !may_be_cut {
            let error = if is_first { DecompressError::Header } else { DecompressError::TrailingGarbage };
            return Err(error("gzip").into());
        }
        let mut decoder = flate2::bufread::GzDecoder::new(rest);
        output.fill(&mut decoder, |error| match error.kind() {
            io::ErrorKind::UnexpectedEof => DecompressError::Truncated("gzip"),
            _ if error.to_string().contains("checksum") => DecompressError::Checksum("gzip"),
            _ if error.to_string().contains("header") => DecompressError::Header("gzip"),
            _ => DecompressError::Corrupt("gzip"),
        })?;
        rest = decoder.into_inner();
        is_first = false;
        if rest.is_empty() {
            return Ok(());
        }
    }
}

/// HTTP's `deflate` is the zlib format; a bare deflate stream is told by its first two bytes (RFC 1950, 2.2).
fn inflate(wire: &[u8], output: &mut Output<'_>) -> Result<(), BodyError> {
    let classify = |error: &io::Error| match error.kind() {
        io::ErrorKind::UnexpectedEof => DecompressError::Truncated("deflate"),
        _ => DecompressError::Corrupt("deflate"),
    };
    let is_zlib = matches!(*wire, [method, flags, ..]
        if method & 0x0f == 8 && (u16::from(method) << 8 | u16::from(flags)) % 31 == 0);
    let rest = if is_zlib {
        let mut decoder = flate2::bufread::ZlibDecoder::new(wire);
        output.fill(&mut decoder, classify)?;
        decoder.into_inner()
    } else {
        let mut decoder = flate2::bufread::DeflateDecoder::new(wire);
        output.fill(&mut decoder, classify)?;
        decoder.into_inner()
    };
    if rest.is_empty() { Ok(()) } else { Err(DecompressError::TrailingGarbage("deflate").into()) }
}

/// Frame by frame, like [`gunzip`].
fn unzstd(wire: &[u8], output: &mut Output<'_>) -> Result<(), BodyError> {
    let mut rest = wire;
    let mut is_first = true;
    loop {
        if !starts_like_zstd(rest) {
            let error = if is_first { DecompressError::Header } else { DecompressError::TrailingGarbage };
            return Err(error("zstd").into());
        }
        let corrupt = |_| DecompressError::Corrupt("zstd");
        let mut decoder = zstd::stream::read::Decoder::with_buffer(rest).map_err(corrupt)?.single_frame();
        decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(corrupt)?;
        output.fill(&mut decoder, |error| match error.kind() {
            io::ErrorKind::UnexpectedEof => DecompressError::Truncated("zstd"),
            _ if error.to_string().contains("checksum") => DecompressError::Checksum("zstd"),
            _ => DecompressError::Corrupt("zstd"),
        })?;
        rest = decoder.finish();
        is_first = false;
        if rest.is_empty() {
            return Ok(());
        }
    }
}

/// Whether `rest` begins a frame or a skippable frame (RFC 8878, 3.1), or is the cut beginning of a frame.
fn starts_like_zstd(rest: &[u8]) -> bool {
    const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
    let is_skippable = matches!(*rest, [first, 0x2a, 0x4d, 0x18, ..] if first & 0xf0 == 0x50);
    rest.starts_with(&MAGIC) || is_skippable || (rest.len() < 4 && MAGIC.starts_with(rest))
}

/// Where decompressed bytes go: into a buffer that does not grow. When it is full it is given up, and what comes is
/// only counted.
struct Output<'a> {
    bytes: Vec<u8>,
    is_kept: bool,
    length: u64,
    limit_bytes: u64,
    reservation: &'a mut ByteReservation,
}

impl<'a> Output<'a> {
    fn new(length: u64, limit_bytes: u64, reservation: &'a mut ByteReservation) -> Result<Self, BodyError> {
        if !reservation.grow(length) {
            return Err(BodyError::Busy);
        }
        let bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(usize::MAX));
        Ok(Self { bytes, is_kept: true, length: 0, limit_bytes, reservation })
    }

    /// Reads `source` to its end.
    fn fill(
        &mut self,
        source: &mut impl Read,
        classify: impl Fn(&io::Error) -> DecompressError,
    ) -> Result<(), BodyError> {
        let mut step = vec![0; DECOMPRESS_STEP_BYTES];
        loop {
            let count = match source.read(&mut step) {
                Ok(0) => return Ok(()),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(classify(&error).into()),
            };
            self.append(step.get(..count).unwrap_or_default())?;
        }
    }

    fn append(&mut self, piece: &[u8]) -> Result<(), BodyError> {
        self.length += piece.len() as u64;
        if self.length > self.limit_bytes {
            return Err(BodyError::TooLarge { limit_bytes: self.limit_bytes, decompressed: true });
        }
        if self.is_kept && self.length > self.bytes.capacity() as u64 {
            self.reservation.shrink(self.bytes.capacity() as u64);
            self.bytes = Vec::new();
            self.is_kept = false;
        }
        if self.is_kept {
            self.bytes.extend_from_slice(piece);
        }
        Ok(())
    }
}

/// A body on its way in, whose length nobody knows for certain. Counted is what it has room for, and while it grows the
/// old room too.
struct Received<'a> {
    bytes: Vec<u8>,
    limit_bytes: u64,
    reservation: &'a mut ByteReservation,
}

impl Received<'_> {
    fn append(&mut self, piece: &[u8]) -> Result<(), BodyError> {
        let needed = self.bytes.len() + piece.len();
        if needed > self.bytes.capacity() {
            self.make_room(needed.max(2 * self.bytes.capacity()).max(DECOMPRESS_STEP_BYTES))?;
        }
        self.bytes.extend_from_slice(piece);
        Ok(())
    }

    /// Grows to this capacity, or to the limit if that is less; the budget is asked first.
    fn make_room(&mut self, capacity: usize) -> Result<(), BodyError> {
        let capacity = capacity.min(usize::try_from(self.limit_bytes).unwrap_or(usize::MAX));
        if !self.reservation.grow(capacity as u64) {
            return Err(BodyError::Busy);
        }
        let mut grown = Vec::with_capacity(capacity);
        grown.extend_from_slice(&self.bytes);
        let old = std::mem::replace(&mut self.bytes, grown);
        self.reservation.shrink(old.capacity() as u64);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
