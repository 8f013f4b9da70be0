//! The pages of a column chunk, decompressed by a context that each thread keeps.
//!
//! parquet's reader makes two contexts of zstd for each column chunk, one of them for writing; where a query reads a
//! page of each of forty chunks, that is a third of its time. So it is told that the chunk is not compressed, and what
//! it then takes for pages is decompressed here. Other codecs are left to it.

use std::cell::RefCell;
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::Compression;
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::ParquetError;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::page_index::offset_index::PageLocation;
use parquet::file::reader::ChunkReader;
use parquet::file::serialized_reader::SerializedPageReader;
use zstd::bulk::Decompressor;
use zstd::zstd_safe::get_frame_content_size;

thread_local! {
    /// Made when a thread reads its first page: some 100 kB.
    static CONTEXT: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// The pages of a column chunk that has so many rows.
///
/// # Errors
/// If the chunk's metadata makes no sense.
pub(super) fn pages<R: ChunkReader + 'static>(
    chunk: Arc<R>,
    column: &ColumnChunkMetaData,
    rows: usize,
    locations: Option<Vec<PageLocation>>,
) -> Result<Box<dyn PageReader>, ParquetError> {
    if !matches!(column.compression(), Compression::ZSTD(_)) {
        return Ok(Box::new(SerializedPageReader::new(chunk, column, rows, locations)?));
    }
    let column = column.clone().into_builder().set_compression(Compression::UNCOMPRESSED).build()?;
    Ok(Box::new(ZstdPages(SerializedPageReader::new(chunk, &column, rows, locations)?)))
}

struct ZstdPages<R: ChunkReader>(SerializedPageReader<R>);

impl<R: ChunkReader + 'static> Iterator for ZstdPages<R> {
    type Item = Result<Page, ParquetError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl<R: ChunkReader + 'static> PageReader for ZstdPages<R> {
    fn get_next_page(&mut self) -> Result<Option<Page>, ParquetError> {
        self.0.get_next_page()?.map(decompressed).transpose()
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>, ParquetError> {
        self.0.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<(), ParquetError> {
        self.0.skip_next_page()
    }

    fn at_record_boundary(&mut self) -> Result<bool, ParquetError> {
        self.0.at_record_boundary()
    }
}

/// The page with its bytes decompressed. The levels of a page of the second version are not compressed.
fn decompressed(mut page: Page) -> Result<Page, ParquetError> {
    match &mut page {
        Page::DataPage { buf, .. } | Page::DictionaryPage { buf, .. } => *buf = inflate(buf, 0)?,
        Page::DataPageV2 { buf, def_levels_byte_len, rep_levels_byte_len, is_compressed: true, .. } => {
            *buf = inflate(buf, *def_levels_byte_len as usize + *rep_levels_byte_len as usize)?;
        }
        Page::DataPageV2 { .. } => {}
    }
    Ok(page)
}

/// The bytes with those from `from` on decompressed.
fn inflate(bytes: &Bytes, from: usize) -> Result<Bytes, ParquetError> {
    let broken = |cause: &str| ParquetError::General(format!("a page cannot be decompressed: {cause}"));
    let (head, frame) = bytes.split_at_checked(from).ok_or_else(|| broken("it ends inside of its levels"))?;
    // A page without values has nothing to decompress.
    if frame.is_empty() {
        return Ok(bytes.clone());
    }
    let size = get_frame_content_size(frame).map_err(|_| broken("it is no frame of zstd"))?;
    // Whoever writes a page at once says how long it is; sizes of pages are 32-bit numbers.
    let size = size.and_then(|size| i32::try_from(size).ok()).and_then(|size| usize::try_from(size).ok());
    let size = size.ok_or_else(|| broken("its frame names no size"))?;
    let mut out = Vec::with_capacity(head.len() + size);
    out.extend_from_slice(head);
    CONTEXT.with_borrow_mut(|context| {
        let context = match context {
            Some(context) => context,
            None => context.insert(Decompressor::new()?),
        };
        let mut cursor = std::io::Cursor::new(&mut out);
        cursor.set_position(head.len() as u64);
        context.decompress_to_buffer(frame, &mut cursor).map_err(ParquetError::from)
    })?;
    if out.len() != head.len() + size {
        return Err(broken("it is shorter than its frame says"));
    }
    Ok(Bytes::from(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(bytes: Vec<u8>, levels: u32, is_compressed: bool) -> Page {
        Page::DataPageV2 {
            buf: bytes.into(),
            num_values: 1,
            encoding: parquet::basic::Encoding::PLAIN,
            num_nulls: 0,
            num_rows: 1,
            def_levels_byte_len: levels,
            rep_levels_byte_len: 0,
            is_compressed,
            statistics: None,
        }
    }

    #[test]
    fn what_is_compressed_is_decompressed_and_nothing_else() {
        let text = b"text and text and text and text".repeat(50);
        let frame = zstd::bulk::compress(&text, 1).unwrap();
        let dictionary = |buf: &[u8]| Page::DictionaryPage {
            buf: Bytes::copy_from_slice(buf),
            num_values: 1,
            encoding: parquet::basic::Encoding::PLAIN,
            is_sorted: false,
        };
        assert_eq!(decompressed(dictionary(&frame)).unwrap().buffer(), &text);
        let with_levels = |bytes: &[u8]| [b"lev".as_slice(), bytes].concat();
        let second = decompressed(page(with_levels(&frame), 3, true)).unwrap();
        assert_eq!(second.buffer(), &with_levels(&text));
        let plain = decompressed(page(with_levels(&text), 3, false)).unwrap();
        assert_eq!(plain.buffer(), &with_levels(&text));
        assert_eq!(decompressed(page(b"lev".to_vec(), 3, true)).unwrap().buffer().as_ref(), b"lev");
    }

    #[test]
    fn a_broken_page_is_an_error() {
        let frame = zstd::bulk::compress(&[7; 1_000], 1).unwrap();
        for bytes in [&frame[..frame.len() - 1], &frame[1..], b"no frame at all"] {
            assert!(inflate(&Bytes::copy_from_slice(bytes), 0).is_err());
        }
        assert!(inflate(&Bytes::from_static(b"le"), 3).is_err());
        // The size in the head of a frame that claims far more than a page may have.
        let mut huge = frame;
        huge[4] |= 0xc0;
        assert!(inflate(&Bytes::from(huge), 0).is_err());
    }
}
