//! What others have written into the same report: it is kept when the rest is written
//! anew.
//!
//! Each of them has a part of its own, from the line `<!-- NAME: begin -->` to the line
//! `<!-- NAME: end -->`, and rewrites that alone.

use crate::Outcome;

/// The new report, and after it the parts of others that the old one has, as they are.
///
/// # Errors
/// When a part begins and does not end: writing the rest would lose it.
pub fn with_parts_of(old: &str, new: &str) -> Outcome<String> {
    let mut text = new.to_owned();
    let mut lines = old.lines();
    while let Some(line) = lines.next() {
        let Some(name) = named(line, "begin") else {
            continue;
        };
        text.push_str(&format!("\n{line}\n"));
        loop {
            let line = lines
                .next()
                .ok_or_else(|| format!("the part of {name} has no end"))?;
            text.push_str(&format!("{line}\n"));
            if named(line, "end") == Some(name) {
                break;
            }
        }
    }
    Ok(text)
}

/// Whose part this line begins or ends.
fn named<'l>(line: &'l str, what: &str) -> Option<&'l str> {
    let (name, found) = line
        .strip_prefix("<!-- ")?
        .strip_suffix(" -->")?
        .split_once(": ")?;
    (found == what).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: &str = "\n<!-- node: begin -->\n\n## Node\n\n| a |\n\n<!-- node: end -->\n";

    #[test]
    fn parts_of_others_survive() {
        let old = format!("# Results\n\nold\n{NODE}");
        let kept = with_parts_of(&old, "# Results\n\nnew\n").unwrap();
        assert_eq!(kept, format!("# Results\n\nnew\n{NODE}"));
        let again = with_parts_of(&kept, "# Results\n\nnewer\n").unwrap();
        assert_eq!(again, format!("# Results\n\nnewer\n{NODE}"));
    }

    #[test]
    fn each_part_is_kept_apart() {
        let other = NODE.replace("node", "other");
        let old = format!("old\n{NODE}\nlost\n{other}lost\n");
        let kept = with_parts_of(&old, "new\n").unwrap();
        assert_eq!(kept, format!("new\n{NODE}{other}"));
    }

    #[test]
    fn a_report_without_others_is_written_as_it_is() {
        assert_eq!(with_parts_of("", "new\n").unwrap(), "new\n");
        assert_eq!(with_parts_of("old\n", "new\n").unwrap(), "new\n");
    }

    #[test]
    fn a_part_without_an_end_is_an_error() {
        let old = "<!-- node: begin -->\n\n<!-- other: end -->\n";
        assert!(with_parts_of(old, "new\n").is_err());
    }
}
