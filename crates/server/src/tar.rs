//! The headers of a tar archive (POSIX ustar, and the binary sizes of GNU for files from 8 GiB). Pure; bytes only.

/// The length of a header, and the unit that the bytes of a file are filled up to.
pub(crate) const BLOCK_BYTES: usize = 512;

/// The longest path that a header of this kind holds.
const PATH_BYTES: usize = 100;

/// A path that is too long.
#[derive(Debug, thiserror::Error)]
#[error("the path {0:?} is longer than {PATH_BYTES} bytes")]
pub(crate) struct PathTooLong(String);

/// The header of a file that only its owner may read.
pub(crate) fn header(path: &str, size_bytes: u64, time_s: u64) -> Result<[u8; BLOCK_BYTES], PathTooLong> {
    let mut block = [0_u8; BLOCK_BYTES];
    if path.len() > PATH_BYTES {
        return Err(PathTooLong(path.to_owned()));
    }
    let mut put = |start: usize, bytes: &[u8]| block[start..start + bytes.len()].copy_from_slice(bytes);
    put(0, path.as_bytes());
    put(100, b"0000600\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    if size_bytes < 1 << 33 {
        put(124, format!("{size_bytes:011o}\0").as_bytes());
    } else {
        put(124, &[0x80, 0, 0, 0]);
        put(128, &size_bytes.to_be_bytes());
    }
    put(136, format!("{time_s:011o}\0").as_bytes());
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    Ok(block)
}

/// The zeros behind a file of this size.
pub(crate) fn padding(size_bytes: u64) -> &'static [u8] {
    const ZEROS: [u8; BLOCK_BYTES] = [0; BLOCK_BYTES];
    let over = (size_bytes % BLOCK_BYTES as u64) as usize;
    if over == 0 { &[] } else { &ZEROS[over..] }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn headers_say_path_size_and_their_own_sum() {
        let block = header("files/a", 1025, 7).unwrap();
        assert_eq!(&block[..8], b"files/a\0");
        assert_eq!(&block[124..136], b"00000002001\0");
        let mut summed = block;
        summed[148..156].copy_from_slice(b"        ");
        let sum: u32 = summed.iter().map(|byte| u32::from(*byte)).sum();
        assert_eq!(&block[148..154], format!("{sum:06o}").as_bytes());
        let large = header("x", 10 << 30, 0).unwrap();
        assert_eq!(&large[124..136], [0x80, 0, 0, 0, 0, 0, 0, 2, 0x80, 0, 0, 0]);
        assert!(header(&"x".repeat(101), 0, 0).is_err());
        for (size, expected) in [(0, 0), (1, 511), (512, 0), (513, 511)] {
            assert_eq!(padding(size).len(), expected, "{size}");
        }
    }
}
