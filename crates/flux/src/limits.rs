//! The limits of one parse, each with its reason. Bounds on request bodies belong to the server.

/// Bounds on what the parser accepts and reports. `Limits::default()` is what the server uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest source in bytes; a longer one is not read at all. Scripts are written by people and dashboards, and
    /// stay below 100 kB; only data inside a script (`csv.from`) is larger.
    pub source_bytes: usize,
    /// How many tokens are read. A node takes up to 100 bytes and its token can be one, so that a body full of
    /// commas must not become a hundred times its size.
    pub tokens: usize,
    /// How deep brackets, blocks and types may stand in each other. The parser recurses only there, so this bounds
    /// its stack: calls in calls take 1 MB in a debug build, half of what a thread has. Scripts nest below 30.
    pub nesting: usize,
    /// Height of the tree. Chains such as `a |> b() |> c()` or `a or b or c` need no nesting but grow the tree, and
    /// everything that walks a tree recurses over its height: clone, comparison, drop, the planner. 1,000 is
    /// InfluxDB's limit too.
    pub tree_height: usize,
    /// How many errors are reported; what is wrong at the thousandth place does not help anybody.
    pub reported_errors: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            source_bytes: 16 * 1024 * 1024,
            tokens: 1_000_000,
            nesting: 128,
            tree_height: 1_000,
            reported_errors: 100,
        }
    }
}

/// Longest source in bytes that any limit may allow: offsets are 32 bits wide.
pub const SOURCE_BYTES_MAX: usize = u32::MAX as usize;

/// How deep a tree in JSON may stand in itself. The reader recurses; JSON itself is read to 127 levels only.
pub const JSON_DEPTH_MAX: usize = 200;

/// How many bytes of sources a tree in JSON repeats. Each node repeats its own, so that a long chain would make of a
/// script a thousand times its size; behind this sum, nodes have their places only.
pub const JSON_SOURCE_BYTES_MAX: usize = 16 * 1024 * 1024;
