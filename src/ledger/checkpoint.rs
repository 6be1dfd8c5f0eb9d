//! Checkpoints: the text that a log signs about its tree (C2SP tlog-checkpoint).

use super::{
    merkle::{Hash, empty_root},
    note::NoteError,
    text,
};

/// The state of one log at one size. Extension lines are read over: they are signed, but no mirror can audit them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name, unique for each incarnation: a URL without scheme.
    pub origin: String,
    /// Leaves in the tree.
    pub size: u64,
    pub root: Hash,
}

impl Checkpoint {
    /// The note text: three lines, each with its newline.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, text::encode(&self.root))
    }

    /// Reads a note text of at least three lines, none of them empty.
    pub fn parse(note_text: &str) -> Result<Self, NoteError> {
        let lines: Vec<&str> = note_text.strip_suffix('\n').ok_or(NoteError::Checkpoint)?.split('\n').collect();
        let [origin, size, root, ..] = lines[..] else { return Err(NoteError::Checkpoint) };
        if lines.contains(&"") {
            return Err(NoteError::Checkpoint);
        }
        let size = text::parse_decimal(size).ok_or(NoteError::Checkpoint)?;
        let root = text::decode_hash(root).ok_or(NoteError::Checkpoint)?;
        if size == 0 && root != empty_root() {
            return Err(NoteError::Checkpoint);
        }
        Ok(Self { origin: origin.to_owned(), size, root })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_checkpoint_reads_back_and_extensions_are_read_over() {
        let checkpoint = Checkpoint { origin: "ledger.example/department-sm2-g1".into(), size: 20_852_163, root: [7; 32] };
        let text = checkpoint.text();
        assert_eq!(text, "ledger.example/department-sm2-g1\n20852163\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n");
        assert_eq!(Checkpoint::parse(&text), Ok(checkpoint.clone()));
        assert_eq!(Checkpoint::parse(&format!("{text}extension\n")), Ok(checkpoint));
    }

    #[test]
    fn what_is_not_exactly_a_checkpoint_is_refused() {
        let root = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
        let texts = [
            String::new(),
            format!("o\n1\n{root}"),
            format!("\n1\n{root}\n"),
            format!("o\n01\n{root}\n"),
            format!("o\n1 \n{root}\n"),
            format!("o\n1\n{root}\n\n"),
            format!("o\n1\n{root}\n\nx\n"),
            format!("o\n1\n{}\n", &root[..43]),
            format!("o\n1\n{root} \n"),
            "o\n1\nBwc=\n".into(),
            format!("o\n0\n{root}\n"),
        ];
        for text in texts {
            assert_eq!(Checkpoint::parse(&text), Err(NoteError::Checkpoint), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn every_checkpoint_reads_back(origin in "[^\n]{1,40}", size in 1_u64.., root: [u8; 32]) {
            let checkpoint = Checkpoint { origin, size, root };
            prop_assert_eq!(Checkpoint::parse(&checkpoint.text()), Ok(checkpoint));
        }
    }
}
