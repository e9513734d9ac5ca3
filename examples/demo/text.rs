//! Numbers as people read them.

use std::time::Duration;

/// `1234567` as `1,234,567`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `3 of 12`, the first as wide as the second.
pub(crate) fn share(part: usize, whole: usize) -> String {
    let whole = count(whole as u64);
    format!(
        "{:>width$} of {whole}",
        count(part as u64),
        width = whole.len()
    )
}

/// A duration with three digits and its unit.
pub(crate) fn time(time: Duration) -> String {
    scaled(time.as_nanos() as f64, 1_000.0, &["ns", "µs", "ms", "s"])
}

/// A number of bytes with three digits and its unit.
pub(crate) fn bytes(bytes: u64) -> String {
    scaled(bytes as f64, 1_024.0, &["B", "KiB", "MiB", "GiB"])
}

fn scaled(mut value: f64, base: f64, units: &[&str]) -> String {
    let mut unit = 0;
    while value >= base && unit + 1 < units.len() {
        value /= base;
        unit += 1;
    }
    let digits = match value {
        _ if unit == 0 => 0,
        0.0..10.0 => 2,
        10.0..100.0 => 1,
        _ => 0,
    };
    format!("{value:.digits$} {}", units[unit])
}

/// A share of 1 as per cent, small ones with more digits.
pub(crate) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let digits = if percent < 1.0 { 2 } else { 1 };
    let text = format!("{percent:.digits$}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text} %")
}

/// At most `most` characters of a text, the last an ellipsis if some are left out.
pub(crate) fn short(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => {
            text.chars()
                .take(most.saturating_sub(1))
                .collect::<String>()
                + "…"
        }
    }
}

/// A bar for `value`, as wide as `width` when it is `most`, in eighths of a character;
/// what is not nothing is seen.
pub(crate) fn bar(value: u64, most: u64, width: usize) -> String {
    const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    if value == 0 || most == 0 {
        return " ".repeat(width);
    }
    let eighths = (value as f64 / most as f64 * (width * 8) as f64).round() as usize;
    let eighths = eighths.clamp(1, width * 8);
    let mut bar = "█".repeat(eighths / 8);
    let rest = eighths % 8;
    if rest > 0 {
        bar.push(EIGHTHS[rest]);
    }
    let missing = width - eighths.div_ceil(8);
    bar + &" ".repeat(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(share(7, 1_000), "    7 of 1,000");
        assert_eq!(time(Duration::from_nanos(999)), "999 ns");
        assert_eq!(time(Duration::from_nanos(1_500)), "1.50 µs");
        assert_eq!(time(Duration::from_millis(12_345)), "12.3 s");
        assert_eq!(bytes(12), "12 B");
        assert_eq!(bytes(3 << 20), "3.00 MiB");
        assert_eq!(percent(0.7142), "71.4 %");
        assert_eq!(percent(0.0001), "0.01 %");
        assert_eq!(percent(0.001), "0.1 %");
        assert_eq!(percent(0.0), "0 %");
        assert_eq!(percent(1.0), "100 %");
        assert_eq!(short("twelve chars", 12), "twelve chars");
        assert_eq!(short("thirteen chär", 12), "thirteen ch…");
    }

    #[test]
    fn a_bar_is_as_wide_as_asked_and_shows_all_that_is_there() {
        for value in 0..=100 {
            assert_eq!(bar(value, 100, 10).chars().count(), 10);
        }
        assert_eq!(bar(0, 100, 3), "   ");
        assert_eq!(bar(1, 1_000_000, 3), "▏  ");
        assert_eq!(bar(50, 100, 3), "█▌ ");
        assert_eq!(bar(100, 100, 3), "███");
    }
}
