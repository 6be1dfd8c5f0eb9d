//! A file that may be larger than memory, read in parts.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    ops::Range,
};

use crate::x509;

/// How much is read at once.
const WINDOW: usize = 256 * 1024;

/// A file and the part of it that was read last: a CMS in thousands of small segments is not read in thousands of small pieces.
pub struct Source {
    file: File,
    length: u64,
    window: Vec<u8>,
    start: u64,
}

/// Why a file was not read, or not understood.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Form(#[from] x509::Error),
    #[error("larger than {0} octets")]
    TooLarge(u64),
}

impl Source {
    pub fn new(file: File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file that can be read twice"));
        }
        Ok(Self { file, length: metadata.len(), window: Vec::new(), start: 0 })
    }

    pub fn length(&self) -> u64 {
        self.length
    }

    pub fn starts_with(&mut self, mark: &[u8]) -> Result<bool, ReadError> {
        let end = self.length.min(mark.len() as u64);
        Ok(self.read(0..end)? == mark)
    }

    /// All of it, if that is not too much.
    pub fn whole(&mut self, most: u64) -> Result<Vec<u8>, ReadError> {
        if self.length > most { Err(ReadError::TooLarge(most)) } else { self.read(0..self.length) }
    }

    pub fn read(&mut self, range: Range<u64>) -> Result<Vec<u8>, ReadError> {
        let mut octets = Vec::with_capacity(usize::try_from(range.end - range.start).unwrap_or_default());
        self.parts(range, &mut |part| octets.extend_from_slice(part))?;
        Ok(octets)
    }

    /// A range in parts, each as large as a window at most.
    pub fn parts(&mut self, range: Range<u64>, each: &mut dyn FnMut(&[u8])) -> Result<(), ReadError> {
        let mut position = range.start;
        while position < range.end {
            let skipped = self.skip_to(position)?;
            let end = self.window.len().min(skipped + usize::try_from(range.end - position).unwrap_or(WINDOW));
            let part = &self.window[skipped..end];
            each(part);
            position += part.len() as u64;
        }
        Ok(())
    }

    /// Moves the window so that it holds the octet at that position; answers where in the window.
    fn skip_to(&mut self, position: u64) -> Result<usize, ReadError> {
        let inside = position.checked_sub(self.start).and_then(|skipped| usize::try_from(skipped).ok());
        if let Some(skipped) = inside.filter(|skipped| *skipped < self.window.len()) {
            return Ok(skipped);
        }
        self.window.resize(WINDOW, 0);
        self.file.seek(SeekFrom::Start(position))?;
        let read = self.file.read(&mut self.window);
        // Whatever came of it, what is left in the window is what was read.
        self.window.truncate(*read.as_ref().unwrap_or(&0));
        self.start = position;
        match read? {
            0 => Err(ReadError::Io(io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter while it was read"))),
            _ => Ok(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn any_range_is_what_the_file_holds() {
        let octets: Vec<u8> = (0..WINDOW * 2 + 100).map(|index| (index % 251) as u8).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&octets).unwrap();
        let mut source = Source::new(file).unwrap();
        for range in [0..0, 0..10, 5..WINDOW, WINDOW - 1..WINDOW + 1, 3..octets.len(), 0..octets.len(), 1..2] {
            let read = source.read(range.start as u64..range.end as u64).unwrap();
            assert!(read == octets[range.clone()], "{range:?}");
        }
        assert!(source.starts_with(&octets[..3]).unwrap() && !source.starts_with(b"xyz").unwrap());
        assert!(matches!(source.whole(10), Err(ReadError::TooLarge(10))));
        assert!(source.read(octets.len() as u64 - 1..octets.len() as u64 + 1).is_err());
    }
}
