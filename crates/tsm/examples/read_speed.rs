//! Prints how many values a second one core reads from a directory of InfluxDB: every value of every row is looked at.
//!
//! `cargo run --release -p tsm --example read_speed -- DIR`

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use tsm::{Layout, Shard};

/// The best of this many rounds counts, because other programs share the machine.
const ROUNDS: usize = 5;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = std::env::args().nth(1).ok_or("give the directory")?;
    let layout = Layout::find(Path::new(&directory))?;
    for _ in 0..ROUNDS {
        let start = stopwatch();
        let (mut rows_read, mut values) = (0_u64, 0_u64);
        for place in &layout.shards {
            let mut rows = Shard::open(place)?.rows();
            while let Some(row) = rows.next() {
                let row = row?;
                rows_read += 1;
                for field in row.fields() {
                    black_box(field);
                    values += 1;
                }
            }
        }
        let seconds = start.elapsed().as_secs_f64();
        println!("{values} values in {rows_read} rows in {seconds:.3} s: {:.0} values/s", values as f64 / seconds);
    }
    Ok(())
}

/// The moment a round starts.
#[expect(clippy::disallowed_methods, reason = "the elapsed time is the result")]
fn stopwatch() -> Instant {
    Instant::now()
}
