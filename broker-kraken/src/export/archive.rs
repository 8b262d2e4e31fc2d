//! The archive that a report comes in: a zip file with one file in it.

use std::io::Read;

use broker_core::Result;
use flate2::Crc;
use flate2::read::DeflateDecoder;

use super::odd;

/// Largest text of a report: 1 GiB.
const LARGEST_TEXT: usize = 1 << 30;

/// The end of the directory is searched in the last bytes: a comment may stand behind it.
const END: usize = 22;
const LONGEST_COMMENT: usize = 65_535;

/// The text of the one file.
pub(super) fn unpack(archive: &[u8]) -> Result<String> {
    let file = File::find(archive).ok_or_else(|| odd("the report is no archive of one file"))?;
    let text = file.read(archive)?;
    String::from_utf8(text).map_err(|_| odd("the report is no text"))
}

/// What the directory says of the file.
struct File {
    method: usize,
    crc: usize,
    packed: usize,
    size: usize,
    header: usize,
}

impl File {
    fn find(archive: &[u8]) -> Option<Self> {
        let last = archive.len().checked_sub(END)?;
        let end = (last.saturating_sub(LONGEST_COMMENT)..=last)
            .rev()
            .find(|at| archive.get(*at..).is_some_and(|rest| rest.starts_with(b"PK\x05\x06")))?;
        let (files, at) = (word(archive, end + 10, 2)?, word(archive, end + 16, 4)?);
        let entry = archive.get(at..)?;
        let encrypted = word(entry, 8, 2)? & 1 == 1;
        let is_one = files == 1 && entry.starts_with(b"PK\x01\x02") && !encrypted;
        is_one.then_some(Self {
            method: word(entry, 10, 2)?,
            crc: word(entry, 16, 4)?,
            packed: word(entry, 20, 4)?,
            size: word(entry, 24, 4)?,
            header: word(entry, 42, 4)?,
        })
    }

    fn read(&self, archive: &[u8]) -> Result<Vec<u8>> {
        let packed = self.packed(archive).ok_or_else(|| odd("the report's archive is cut"))?;
        if self.size > LARGEST_TEXT {
            return Err(odd("the report's text is larger than 1 GiB"));
        }
        let mut text = Vec::new();
        let limit = u64::try_from(self.size).unwrap_or(u64::MAX).saturating_add(1);
        let read = match self.method {
            0 => packed.take(limit).read_to_end(&mut text),
            8 => DeflateDecoder::new(packed).take(limit).read_to_end(&mut text),
            _ => return Err(odd("the report is packed in a way that is not known")),
        };
        read.map_err(|_| odd("the report's archive is damaged"))?;
        let mut crc = Crc::new();
        crc.update(&text);
        match text.len() == self.size && usize::try_from(crc.sum()) == Ok(self.crc) {
            true => Ok(text),
            false => Err(odd("the report's archive is damaged")),
        }
    }

    fn packed<'a>(&self, archive: &'a [u8]) -> Option<&'a [u8]> {
        let header = archive.get(self.header..)?;
        let (name, extra) = (word(header, 26, 2)?, word(header, 28, 2)?);
        let start = 30 + name + extra;
        let packed = header.get(start..start.checked_add(self.packed)?)?;
        header.starts_with(b"PK\x03\x04").then_some(packed)
    }
}

/// A number of two or four bytes, the least first.
fn word(bytes: &[u8], at: usize, length: usize) -> Option<usize> {
    let bytes = bytes.get(at..at.checked_add(length)?)?;
    Some(bytes.iter().rev().fold(0, |sum, byte| (sum << 8) | usize::from(*byte)))
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
