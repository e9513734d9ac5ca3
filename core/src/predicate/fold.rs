//! Comparing strings without regard to case: simple case folding, code point by code point, by the tables of Unicode.
//!
//! One code point folds to one, so `É` equals `é`, and `ß` does not equal `SS`. No locale, no normalisation.

/// `text` in the form in which texts of either case are equal.
pub(super) fn fold(text: &str) -> String {
    text.chars().map(fold_char).collect()
}

/// Whether `text` folds to `folded`.
pub(super) fn equals(text: &str, folded: &str) -> bool {
    text.chars().map(fold_char).eq(folded.chars())
}

/// Whether what `text` folds to begins with `folded`.
pub(super) fn starts_with(text: &str, folded: &str) -> bool {
    let mut chars = text.chars().map(fold_char);
    folded.chars().all(|c| chars.next() == Some(c))
}

/// Whether what `text` folds to ends with `folded`.
pub(super) fn ends_with(text: &str, folded: &str) -> bool {
    let mut chars = text.chars().rev().map(fold_char);
    folded.chars().rev().all(|c| chars.next() == Some(c))
}

pub(crate) fn fold_char(c: char) -> char {
    if c.is_ascii() {
        return c.to_ascii_lowercase();
    }
    unicode_case_mapping::case_folded(c)
        .and_then(|folded| char::from_u32(folded.get()))
        .unwrap_or(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_code_point_by_code_point() {
        for (a, b) in [
            ("É", "é"),
            ("ΣΑΣ", "σας"),
            ("ẞ", "ß"),
            ("K", "k"),
            ("ſ", "S"),
            ("ДОМ", "дом"),
            ("Ꭰ", "ꭰ"),
            ("µ", "Μ"),
        ] {
            assert!(equals(a, &fold(b)), "{a} {b}");
            assert!(equals(b, &fold(a)), "{b} {a}");
        }
        for (a, b) in [
            ("ß", "SS"),
            ("İ", "i"),
            ("ı", "I"),
            ("é", "e"),
            ("e\u{301}", "é"),
            ("ﬁ", "fi"),
            ("ab", "a"),
        ] {
            assert!(!equals(a, &fold(b)), "{a} {b}");
            assert!(!equals(b, &fold(a)), "{b} {a}");
        }
    }

    #[test]
    fn ends() {
        assert!(starts_with("ÉCOLE", &fold("éc")) && !starts_with("É", &fold("éc")));
        assert!(ends_with("CAFÉ", &fold("fé")) && !ends_with("É", &fold("fé")));
        assert!(starts_with("x", "") && ends_with("", ""));
    }
}
