//! The archive that a report comes in: a zip file with one file in it.

use std::io::{Cursor, Read};

use broker_core::Result;
use zip::ZipArchive;

use super::odd;

/// Largest text of a report: 1 GiB.
const LARGEST_TEXT: u64 = 1 << 30;

/// The text of the one file. Its checksum is looked at by the library.
pub(super) fn unpack(archive: &[u8]) -> Result<String> {
    let broken = |_| odd("the report is no archive, or is damaged");
    let mut archive = ZipArchive::new(Cursor::new(archive)).map_err(broken)?;
    if archive.len() != 1 {
        return Err(odd("the report is no archive of one file"));
    }
    let file = archive.by_index(0).map_err(broken)?;
    let size = file.size();
    if size > LARGEST_TEXT {
        return Err(odd("the report's text is larger than 1 GiB"));
    }
    let mut text = String::new();
    // One byte more than it says it has is enough to see that it has more.
    let read = file.take(size + 1).read_to_string(&mut text);
    match read.is_ok_and(|read| u64::try_from(read) == Ok(size)) {
        true => Ok(text),
        false => Err(odd("the report's archive is damaged, or its file is no text")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by Python's `zipfile`.
    const STORED: &str = "504b0304140000000000000021587b07970a080000000800000005000000742e637376612c620a312c320a504b01021403140000000000000021587b07970a0800000008000000050000000000000000000000800100000000742e637376504b05060000000001000100330000002b0000000000";
    const PACKED: &str = "504b030414000000080000002158caecd01b09000000a000000005000000742e6373764bd449e24a1cc41800504b0102140314000000080000002158caecd01b09000000a0000000050000000000000000000000800100000000742e637376504b05060000000001000100330000002c0000000000";

    fn bytes(hex: &str) -> Vec<u8> {
        let pairs = hex.as_bytes().chunks(2);
        pairs
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    #[test]
    fn what_others_packed_is_read() {
        assert_eq!(unpack(&bytes(STORED)).unwrap(), "a,b\n1,2\n");
        assert_eq!(unpack(&bytes(PACKED)).unwrap(), "a,b\n".repeat(40));
    }

    /// No byte of it can change or be missing without a word, but those that say when and by whom it was made.
    #[test]
    fn damage_is_noticed() {
        for (archive, text) in [(STORED, "a,b\n1,2\n".to_owned()), (PACKED, "a,b\n".repeat(40))] {
            let good = bytes(archive);
            for length in 0..good.len() {
                assert!(unpack(&good[..length]).is_err(), "{length} bytes");
            }
            for place in 0..good.len() {
                for bit in 0..8 {
                    let mut bad = good.clone();
                    bad[place] ^= 1 << bit;
                    if let Ok(read) = unpack(&bad) {
                        assert_eq!(read, text, "bit {bit} of byte {place}");
                    }
                }
            }
        }
    }
}
