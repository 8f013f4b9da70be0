//! The limits of one parse, each with its reason. Bounds on bodies (compressed and decompressed) belong to the
//! server, which knows the memory budget; this module only bounds what a single body may cost once it is in memory.

/// Bounds on what the parser accepts and reports. `Limits::default()` is what the server uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest line in bytes, without its line break. A line may hold several strings of the longest allowed size,
    /// yet one that never ends (an unbalanced quote) must not become an error message or a row of its own.
    pub line_bytes: usize,
    /// Longest series key in bytes: measurement and tag set as written, and with each field key plus the four bytes
    /// that InfluxDB puts between the two. InfluxDB stores key lengths in 16 bits.
    pub key_bytes: usize,
    /// Longest string field in bytes after unescaping; InfluxDB drops points with longer ones.
    pub string_bytes: usize,
    /// Most columns (fields by name and type) that one measurement may have in a body. Each costs some 200 bytes
    /// however few values it has, and no table may have nearly so many.
    pub fields: usize,
    /// How many errors, dropped points and stripped fields are described one by one; all of them are counted.
    /// A body of bad lines must not be answered by a message larger than itself.
    pub reported_errors: usize,
    /// How much of a bad line is quoted in its error, in bytes.
    pub reported_line_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            line_bytes: 16 * 1024 * 1024,
            key_bytes: 65_535,
            string_bytes: 1_048_576,
            fields: 65_536,
            reported_errors: 1_000,
            reported_line_bytes: 1_024,
        }
    }
}

/// Largest body in bytes: positions and offsets are 32 bits wide, as Arrow's string offsets are (signed there).
pub const BODY_BYTES_MAX: usize = i32::MAX as usize;
