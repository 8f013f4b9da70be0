//! The power fails: the file system below the data directory, a real one on a block device of its own, goes down
//! without what it has not written yet, in the middle of writes and flushes, and the process dies with it.
//!
//! `EXT4_IOC_SHUTDOWN` without a flush of the journal is how file systems are tested for this: from then on nothing
//! reaches the device. What it holds is what a machine finds after it was switched off.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use reqwest::Method;
use serde_json::json;
use tempfile::TempDir;
use testkit::{Server, python, until};

use crate::server;

const WRITERS: usize = 4;
const ROUNDS: usize = 4;

/// The request of ext4 with the number of "at once, without the journal".
const SHUTDOWN: &str = "import fcntl, os, struct, sys\n\
     fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack('I', 2))\n";

/// A file system in a file.
struct FileSystem {
    folder: TempDir,
    python: PathBuf,
}

impl FileSystem {
    /// None where nobody may mount one.
    fn make() -> Option<Self> {
        let python = python()?;
        let folder = tempfile::tempdir().unwrap();
        let file_system = Self { folder, python };
        std::fs::create_dir(file_system.mount_point()).unwrap();
        std::fs::File::create(file_system.image()).unwrap().set_len(1 << 30).unwrap();
        let made = Command::new("mkfs.ext4").args(["-q", "-F"]).arg(file_system.image()).status();
        if !made.is_ok_and(|status| status.success()) || !file_system.mount() {
            eprintln!("left out: it takes mkfs.ext4, loop devices and the right to mount");
            return None;
        }
        Some(file_system)
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join("image")
    }

    fn mount_point(&self) -> PathBuf {
        self.folder.path().join("mounted")
    }

    fn mount(&self) -> bool {
        let mounted = Command::new("mount").args(["-o", "loop"]).arg(self.image()).arg(self.mount_point()).status();
        mounted.is_ok_and(|status| status.success())
    }

    fn unmount(&self) -> bool {
        Command::new("umount").arg(self.mount_point()).status().is_ok_and(|status| status.success())
    }

    fn fail(&self) {
        let status = Command::new(&self.python).args(["-c", SHUTDOWN]).arg(self.mount_point()).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for FileSystem {
    fn drop(&mut self) {
        self.unmount();
    }
}

/// What a writer was told, and what it sent.
#[derive(Default)]
struct Told {
    acknowledged: RefCell<BTreeSet<i64>>,
    sent: Cell<i64>,
}

/// Sends points one after another until one is not acknowledged.
async fn write(server: &Server, writer: usize, told: &Told) {
    loop {
        let number = told.sent.get() + 1;
        told.sent.set(number);
        match server.try_write(format!("m,w=w{writer} n={number}i,text=\"{number}\" {number}")).await {
            Ok(answer) if answer.status == 204 => assert!(told.acknowledged.borrow_mut().insert(number)),
            _ => return,
        }
    }
}

/// Flushes until the power is gone; then the answers are errors.
async fn flush(server: &Server, is_over: &Cell<bool>) {
    while !is_over.get() {
        let request = server.request(Method::POST, "/api/freshet/v1/flush").json(&json!({}));
        let _ = server.send(request).await;
    }
}

async fn check(server: &Server, told: &[Told; WRITERS]) {
    for (writer, told) in told.iter().enumerate() {
        let rows = server.sql(&format!("SELECT n, text, CAST(time AS BIGINT) AS t FROM m WHERE w = 'w{writer}'")).await;
        let mut found = BTreeSet::new();
        for row in rows {
            let number = row["n"].as_i64().unwrap();
            assert_eq!((row["t"].as_i64(), row["text"].as_str()), (Some(number), Some(number.to_string().as_str())));
            assert!(found.insert(number), "{number} of {writer} twice");
        }
        let lost: Vec<i64> = told.acknowledged.borrow().difference(&found).copied().collect();
        assert!(lost.is_empty(), "acknowledged points of {writer} are lost: {lost:?}");
        assert!(found.iter().all(|number| *number <= told.sent.get()), "points of {writer} that nobody sent");
    }
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_the_power_failed() {
    let Some(file_system) = FileSystem::make() else { return };
    let data_dir: &Path = &file_system.mount_point().join("data");
    let mut server = server().data_dir(data_dir).start().await;
    let told: [Told; WRITERS] = Default::default();
    for round in 1..=ROUNDS {
        let is_over = Cell::new(false);
        let before: usize = told.iter().map(|told| told.acknowledged.borrow().len()).sum();
        let fail = async {
            until("enough points", async || {
                let now: usize = told.iter().map(|told| told.acknowledged.borrow().len()).sum();
                (now >= before + 97 * round).then_some(())
            })
            .await;
            file_system.fail();
            is_over.set(true);
        };
        let server_now = &server;
        let writers = futures::future::join_all((0..WRITERS).map(|writer| write(server_now, writer, &told[writer])));
        tokio::join!(writers, flush(server_now, &is_over), fail);
        server.kill9().await;
        assert!(file_system.unmount() && file_system.mount(), "round {round}");
        server.restart().await;
        check(&server, &told).await;
    }
    server.stop().await;
}
