//! Times as the two formats write them. The clock starts at a fixed instant
//! and moves with the generator, never with the machine.

/// 2025-03-04 08:00:00 UTC, in milliseconds since the epoch.
pub(crate) const START_MS: u64 = 1_741_075_200_000;

const DAY_MS: u64 = 86_400_000;

/// `2025-03-04T08:00:00.123Z`
pub(crate) fn instant(ms: u64) -> String {
    let in_day = ms % DAY_MS;
    format!(
        "{}T{:02}:{:02}:{:02}.{:03}Z",
        date(ms),
        in_day / 3_600_000,
        in_day / 60_000 % 60,
        in_day / 1_000 % 60,
        in_day % 1_000
    )
}

/// `2025-03-04T00:00:00.000Z`: Mastodon shows the day an account was made.
pub(crate) fn midnight(ms: u64) -> String {
    instant(ms - ms % DAY_MS)
}

/// `2025-03-04`
pub(crate) fn date(ms: u64) -> String {
    let (year, month, day) = civil(ms / DAY_MS);
    format!("{year:04}-{month:02}-{day:02}")
}

/// `20250304080000`, MediaWiki's own timestamp.
pub(crate) fn compact(ms: u64) -> String {
    let (year, month, day) = civil(ms / DAY_MS);
    let in_day = ms % DAY_MS;
    format!(
        "{year:04}{month:02}{day:02}{:02}{:02}{:02}",
        in_day / 3_600_000,
        in_day / 60_000 % 60,
        in_day / 1_000 % 60
    )
}

/// Days since 1970-01-01 to the Gregorian date (Howard Hinnant's
/// `civil_from_days`, for dates after the epoch).
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}
