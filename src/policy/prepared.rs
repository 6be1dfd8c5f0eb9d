//! Text as names are compared (caseIgnoreMatch of X.520 §6.1, prepared as RFC 4518 §2 says): what reads the same is the same.

use unicode_normalization::UnicodeNormalization;

/// The text without its case, its forms of one character, what is invisible, and more than one space.
pub fn prepared(text: &str) -> String {
    let visible = text.chars().filter(|character| !is_invisible(*character)).nfkc();
    // By way of capitals, so that a letter with two small forms has one.
    let folded: String = visible.flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfkc().collect();
    folded.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What is mapped to nothing (RFC 4518 §2.2).
fn is_invisible(character: char) -> bool {
    let mapped_to_nothing = matches!(character,
        '\u{ad}' | '\u{34f}' | '\u{6dd}' | '\u{70f}' | '\u{1806}' | '\u{180b}'..='\u{180e}' | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2063}' | '\u{206a}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{fff9}'..='\u{fffc}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0001}' | '\u{e0020}'..='\u{e007f}');
    // Those of the controls that are spaces count as such.
    mapped_to_nothing || (character.is_control() && !character.is_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reads_the_same_is_the_same() {
        for (one, other) in [
            ("Water Bureau", "water  BUREAU "),
            ("水务局", "水\u{200b}务局"),
            ("ＡＢＣ局", "abc局"),
            ("Straße", "STRASSE"),
            ("ΟΔΟΣ", "οδος"),
            ("e\u{301}", "É"),
            ("水务\u{3000}局", "水务 局"),
        ] {
            assert_eq!(prepared(one), prepared(other), "{one} {other}");
        }
        for (one, other) in [("水务局", "水利局"), ("水务 局", "水务局"), ("ab", "a b")] {
            assert_ne!(prepared(one), prepared(other), "{one} {other}");
        }
    }
}
