//! Reading pages of one file and decoding them where they are asked for: no task, no stream, no copy of what is not
//! wanted. From a local disk bytes come by `pread`, from any other store by one request for all ranges.

use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray, StringBuilder};
use bytes::Bytes;
use bytes::buf::{Buf as _, Reader};
use object_store::path::Path;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReader, RowGroups, RowSelection};
use parquet::arrow::{ProjectionMask, parquet_to_arrow_field_levels};
use parquet::basic::Encoding;
use parquet::column::page::{Page, PageIterator, PageReader};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::page_index::offset_index::PageLocation;
use parquet::file::reader::{ChunkReader, Length};

use super::ScanError;
use super::file::Leaves;
use super::footers::FooterCache;
use super::layout::Layout;
use super::pages::pages;
use crate::ids::ColumnId;
use crate::store::Store;
use crate::table::DataFile;

/// An open file: its footer, and where its bytes are.
#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) file: DataFile,
    pub(super) footer: ArrowReaderMetadata,
    pub(super) leaves: Leaves,
    path: Arc<str>,
    store: Store,
    pub(super) footers: Arc<FooterCache>,
}

impl OpenFile {
    /// Opens a file; its footer comes from the cache if it is there.
    pub(super) async fn open(store: &Store, footers: &Arc<FooterCache>, file: &DataFile) -> Result<Self, ScanError> {
        let footer = footers.get(store.object_store(), file).await?;
        Ok(Self {
            leaves: Leaves::new(footer.parquet_schema()),
            path: file.path.as_str().into(),
            file: file.clone(),
            footer,
            store: store.clone(),
            footers: Arc::clone(footers),
        })
    }

    pub(super) fn metadata(&self) -> &Arc<ParquetMetaData> {
        self.footer.metadata()
    }

    fn failed(&self, source: ParquetError) -> ScanError {
        ScanError::File { path: Arc::clone(&self.path), source }
    }

    /// The layout of a row group, from the cache or from its tags and times.
    pub(super) async fn layout(&self, group: usize) -> Result<Arc<Layout>, ScanError> {
        if let Some(layout) = self.footers.layout(self.file.file, group) {
            return Ok(layout);
        }
        let columns: Vec<ColumnId> = self.file.sort_tags.iter().copied().chain([ColumnId::TIME]).collect();
        let rows = self.metadata().row_group(group).num_rows() as usize;
        let mut reader = self.read(group, &columns, None, rows).await?;
        let layout = match reader.next_columns()? {
            Some((arrays, _)) => {
                let mut tags = Vec::with_capacity(columns.len());
                // A tag that the file does not have is null in all its rows.
                tags.extend(columns.iter().copied().zip(arrays).filter_map(|(column, array)| Some((column, array?))));
                let times = tags.pop().map(|(_, times)| times);
                times.map_or(Layout::Scattered, |times| Layout::of(&tags, &times))
            }
            None => Layout::Scattered,
        };
        let layout = Arc::new(layout);
        self.footers.keep_layout(self.file.file, group, &layout);
        Ok(layout)
    }

    /// Decodes columns of a row group: the selected rows, or all of them, in batches of at most so many.
    pub(super) async fn read(
        &self,
        group: usize,
        columns: &[ColumnId],
        selection: Option<RowSelection>,
        batch_rows: usize,
    ) -> Result<DirectReader, ScanError> {
        let schema = self.footer.parquet_schema();
        let leaves: Vec<Option<usize>> = columns.iter().map(|column| self.leaves.find(*column)).collect();
        let mut present: Vec<usize> = leaves.iter().copied().flatten().collect();
        present.sort_unstable();
        present.dedup();
        let metadata = self.metadata();
        let total = metadata.row_group(group).num_rows() as usize;
        let len = selection.as_ref().map_or(total, RowSelection::row_count);
        let places = leaves.iter().map(|leaf| leaf.and_then(|leaf| present.binary_search(&leaf).ok())).collect();
        if present.is_empty() {
            return Ok(DirectReader { reader: None, places, batch_rows, left: len, path: Arc::clone(&self.path) });
        }
        let mut chunks: Vec<Option<Arc<Chunk>>> = vec![None; schema.num_columns()];
        for (leaf, chunk) in present.iter().zip(self.fetch(group, &present, selection.as_ref()).await?) {
            if let Some(place) = chunks.get_mut(*leaf) {
                *place = Some(Arc::new(chunk));
            }
        }
        let mask = ProjectionMask::leaves(schema, present);
        let fields = self.footer.schema().fields();
        let levels = parquet_to_arrow_field_levels(schema, mask, Some(fields)).map_err(|error| self.failed(error))?;
        let group = GroupBytes { metadata: Arc::clone(metadata), group, chunks };
        let reader =
            ParquetRecordBatchReader::try_new_with_row_groups(&levels, &group, batch_rows.min(len.max(1)), selection);
        let reader = Some(reader.map_err(|error| self.failed(error))?);
        Ok(DirectReader { reader, places, batch_rows, left: len, path: Arc::clone(&self.path) })
    }

    /// The bytes of the pages of some leaves that hold selected rows.
    async fn fetch(
        &self,
        group: usize,
        leaves: &[usize],
        selection: Option<&RowSelection>,
    ) -> Result<Vec<Chunk>, ScanError> {
        let mut ranges = Vec::new();
        let mut counts = Vec::with_capacity(leaves.len());
        for leaf in leaves {
            let of_leaf = self.ranges(group, *leaf, selection);
            counts.push(of_leaf.len());
            ranges.extend(of_leaf);
        }
        let bytes = self.read_bytes(&ranges).await?;
        let mut extents = ranges.iter().map(|range| range.start).zip(bytes);
        Ok(counts.into_iter().map(|count| Chunk { extents: extents.by_ref().take(count).collect() }).collect())
    }

    /// The bytes of some ranges of the file.
    async fn read_bytes(&self, ranges: &[std::ops::Range<u64>]) -> Result<Vec<Bytes>, ScanError> {
        let external = |error: Box<dyn std::error::Error + Send + Sync>| self.failed(ParquetError::External(error));
        Ok(match self.store.open_local(&self.file.path) {
            Some(file) => {
                let file = file.map_err(|error| external(Box::new(error)))?;
                let read = |range: &std::ops::Range<u64>| {
                    let mut bytes = vec![0; (range.end - range.start) as usize];
                    file.read_exact_at(&mut bytes, range.start).map(|()| Bytes::from(bytes))
                };
                ranges.iter().map(read).collect::<Result<Vec<_>, _>>().map_err(|error| external(Box::new(error)))?
            }
            None => {
                let path = Path::from(self.file.path.as_str());
                let answer = self.store.object_store().get_ranges(&path, ranges).await;
                answer.map_err(|error| external(Box::new(error)))?
            }
        })
    }

    /// The dictionary of a text column of a row group, in the order of the file, if every value is in it: pages are
    /// not read for it. The writer puts nothing there that no row has.
    pub(super) async fn dictionary(&self, group: usize, leaf: usize) -> Result<Option<StringArray>, ScanError> {
        let column = self.metadata().row_group(group).column(leaf);
        let is_whole = column.page_encoding_stats_mask().is_some_and(|mask| mask.is_only(Encoding::RLE_DICTIONARY));
        let (Some(_), true) = (column.dictionary_page_offset(), is_whole) else { return Ok(None) };
        let (start, _) = column.byte_range();
        let Some(end) = u64::try_from(column.data_page_offset()).ok().filter(|end| *end > start) else {
            return Ok(None);
        };
        let bytes = self.read_bytes(std::slice::from_ref(&(start..end))).await?;
        let chunk = Arc::new(Chunk { extents: bytes.into_iter().map(|bytes| (start, bytes)).collect() });
        let rows = self.metadata().row_group(group).num_rows() as usize;
        let mut pages = pages(chunk, column, rows, None).map_err(|error| self.failed(error))?;
        match pages.get_next_page().map_err(|error| self.failed(error))? {
            Some(Page::DictionaryPage { buf, num_values, .. }) => {
                let texts = plain_texts(&buf, num_values as usize).map_err(|error| self.failed(error))?;
                Ok(Some(texts))
            }
            _ => Ok(None),
        }
    }

    /// Which bytes of a column chunk are needed; neighbouring pages are one range.
    fn ranges(&self, group: usize, leaf: usize, selection: Option<&RowSelection>) -> Vec<std::ops::Range<u64>> {
        let (start, len) = self.metadata().row_group(group).column(leaf).byte_range();
        let whole = || std::iter::once(start..start + len).collect();
        let (Some(selection), Some(pages)) = (selection, page_locations(self.metadata(), group, leaf)) else {
            return whole();
        };
        let Some(first) = pages.first() else { return whole() };
        let mut ranges: Vec<std::ops::Range<u64>> = Vec::new();
        // What stands before the first page is the dictionary.
        let dictionary = start..first.offset as u64;
        let pages = selection.scan_ranges(pages);
        for range in std::iter::once(dictionary).filter(|range| !range.is_empty()).chain(pages) {
            match ranges.last_mut() {
                Some(last) if last.end == range.start => last.end = range.end,
                _ => ranges.push(range),
            }
        }
        ranges
    }
}

/// Texts as a dictionary page has them: each behind its length, which takes four bytes.
fn plain_texts(mut page: &[u8], count: usize) -> Result<StringArray, ParquetError> {
    let broken = || ParquetError::General("a dictionary ends inside of a value".to_owned());
    let mut texts = StringBuilder::with_capacity(count.min(page.len()), page.len());
    for _ in 0..count {
        let (len, rest) = page.split_first_chunk::<4>().ok_or_else(broken)?;
        let (text, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize).ok_or_else(broken)?;
        let text = std::str::from_utf8(text).map_err(|error| ParquetError::External(Box::new(error)))?;
        texts.append_value(text);
        page = rest;
    }
    Ok(texts.finish())
}

/// Where the pages of a column chunk are, if the file says so.
fn page_locations(metadata: &ParquetMetaData, group: usize, leaf: usize) -> Option<&Vec<PageLocation>> {
    let index = metadata.offset_index()?.get(group)?.get(leaf)?;
    Some(index.page_locations())
}

/// Columns by the order in which they were asked for; none is a column that the file does not have.
pub(super) type MaybeColumns = Vec<Option<ArrayRef>>;

/// The rows that are decoded, batch by batch.
pub(super) struct DirectReader {
    /// None if the file has none of the columns.
    reader: Option<ParquetRecordBatchReader>,
    places: Vec<Option<usize>>,
    batch_rows: usize,
    /// Rows that are still to come where there is no reader.
    left: usize,
    path: Arc<str>,
}

impl DirectReader {
    /// The next rows and their number.
    pub(super) fn next_columns(&mut self) -> Result<Option<(MaybeColumns, usize)>, ScanError> {
        let Some(reader) = &mut self.reader else {
            let len = self.left.min(self.batch_rows);
            self.left -= len;
            return Ok((len > 0).then(|| (vec![None; self.places.len()], len)));
        };
        let failed = |error| ScanError::File { path: Arc::clone(&self.path), source: ParquetError::from(error) };
        let Some(batch) = reader.next().transpose().map_err(failed)? else { return Ok(None) };
        let column = |place: &Option<usize>| place.and_then(|place| batch.columns().get(place).cloned());
        Ok(Some((self.places.iter().map(column).collect(), batch.num_rows())))
    }
}

/// Some bytes of a column chunk, by ascending offset in the file.
#[derive(Debug)]
struct Chunk {
    extents: Vec<(u64, Bytes)>,
}

impl Chunk {
    fn from(&self, start: u64) -> Result<Bytes, ParquetError> {
        let at = self.extents.partition_point(|(offset, _)| *offset <= start);
        let found = at.checked_sub(1).and_then(|at| self.extents.get(at));
        let missing = || ParquetError::General(format!("offset {start} of a page was not read"));
        let (offset, bytes) = found.ok_or_else(missing)?;
        let skip = usize::try_from(start - offset).ok().filter(|skip| *skip < bytes.len()).ok_or_else(missing)?;
        Ok(bytes.slice(skip..))
    }
}

impl Length for Chunk {
    fn len(&self) -> u64 {
        self.extents.last().map_or(0, |(offset, bytes)| offset + bytes.len() as u64)
    }
}

impl ChunkReader for Chunk {
    type T = Reader<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(self.from(start)?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let bytes = self.from(start)?;
        if length > bytes.len() {
            return Err(ParquetError::EOF(format!("{length} bytes at offset {start} were not read")));
        }
        Ok(bytes.slice(..length))
    }
}

/// One row group whose bytes are in memory.
struct GroupBytes {
    metadata: Arc<ParquetMetaData>,
    group: usize,
    chunks: Vec<Option<Arc<Chunk>>>,
}

impl RowGroups for GroupBytes {
    fn num_rows(&self) -> usize {
        self.metadata.row_group(self.group).num_rows() as usize
    }

    fn column_chunks(&self, leaf: usize) -> Result<Box<dyn PageIterator>, ParquetError> {
        let chunk = self.chunks.get(leaf).and_then(Option::as_ref);
        let chunk = chunk.ok_or_else(|| ParquetError::General(format!("column {leaf} was not read")))?;
        let column = self.metadata.row_group(self.group).column(leaf);
        let locations = page_locations(&self.metadata, self.group, leaf).filter(|pages| !pages.is_empty()).cloned();
        Ok(Box::new(OneChunk(Some(pages(Arc::clone(chunk), column, self.num_rows(), locations)?))))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(std::iter::once(self.metadata.row_group(self.group)))
    }

    fn metadata(&self) -> &ParquetMetaData {
        &self.metadata
    }
}

struct OneChunk(Option<Box<dyn PageReader>>);

impl Iterator for OneChunk {
    type Item = Result<Box<dyn PageReader>, ParquetError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.take().map(Ok)
    }
}

impl PageIterator for OneChunk {}
