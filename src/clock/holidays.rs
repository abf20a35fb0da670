//! The public holidays of Japan by rule, from 2020 on (Act on National Holidays, Law 178 of 1948, as amended).
//! It refuses years before 2020: the movable days of the Olympic years are listed, earlier law is not.

/// The public holiday test for a Gregorian date.
pub(super) fn is_holiday(year: i32, month: i32, day: i32) -> bool {
    if year < 2020 {
        return false;
    }
    if named(year, month, day) {
        return true;
    }
    // Article 3 (2): a named holiday on a Sunday moves to the next day that is not one itself.
    let mut earlier = previous(year, month, day);
    while named(earlier.0, earlier.1, earlier.2) {
        if weekday(earlier.0, earlier.1, earlier.2) == 0 {
            return true;
        }
        earlier = previous(earlier.0, earlier.1, earlier.2);
    }
    // Article 3 (3): a day between two named holidays.
    let before = previous(year, month, day);
    let after = next(year, month, day);
    named(before.0, before.1, before.2) && named(after.0, after.1, after.2)
}

fn named(year: i32, month: i32, day: i32) -> bool {
    match (year, month, day) {
        // The Tokyo Olympics moved three days in two years (special measures acts of 2018 and 2020).
        (2020, 7, 23 | 24) | (2020, 8, 10) | (2021, 7, 22 | 23) | (2021, 8, 8) => true,
        (2020 | 2021, 7, _) | (2020 | 2021, 8, _) | (2020 | 2021, 10, _) => false,
        (_, 1, 1) | (_, 2, 11 | 23) | (_, 4, 29) | (_, 5, 3..=5) | (_, 8, 11) | (_, 11, 3 | 23) => true,
        (_, 1 | 10, _) => nth_monday(year, month, day) == Some(2),
        (_, 7 | 9, _) if nth_monday(year, month, day) == Some(3) => true,
        (_, 3, _) => day == equinox(year, 20.8431),
        (_, 9, _) => day == equinox(year, 23.2488),
        _ => false,
    }
}

/// Day of the equinox, 1980–2099: base + 0.242194 (year − 1980) − leap days since 1980 (the usual approximation of the
/// National Astronomical Observatory's ephemeris).
fn equinox(year: i32, base: f64) -> i32 {
    let years = year - 1980;
    #[allow(clippy::cast_possible_truncation)]
    let day = (base + 0.242_194 * f64::from(years)).floor() as i32;
    day - years / 4
}

/// 0 Sunday … 6 Saturday (Sakamoto's method).
fn weekday(year: i32, month: i32, day: i32) -> i32 {
    const OFFSETS: [i32; 12] = [0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4];
    let year = if month < 3 { year - 1 } else { year };
    let offset = usize::try_from(month - 1).ok().and_then(|index| OFFSETS.get(index)).copied().unwrap_or(0);
    (year + year / 4 - year / 100 + year / 400 + offset + day).rem_euclid(7)
}

fn nth_monday(year: i32, month: i32, day: i32) -> Option<i32> {
    (weekday(year, month, day) == 1).then_some((day - 1) / 7 + 1)
}

fn days_in(year: i32, month: i32) -> i32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

fn previous(year: i32, month: i32, day: i32) -> (i32, i32, i32) {
    match (month, day) {
        (1, 1) => (year - 1, 12, 31),
        (_, 1) => (year, month - 1, days_in(year, month - 1)),
        _ => (year, month, day - 1),
    }
}

fn next(year: i32, month: i32, day: i32) -> (i32, i32, i32) {
    if day < days_in(year, month) {
        (year, month, day + 1)
    } else if month == 12 {
        (year + 1, 1, 1)
    } else {
        (year, month + 1, 1)
    }
}

#[cfg(test)]
mod tests {
    use super::is_holiday;

    #[test]
    fn published_calendars_are_met() {
        // The days the Cabinet Office published for 2026, with both substitute kinds (5/6 and 9/22).
        let year_2026 = [
            (1, 1),
            (1, 12),
            (2, 11),
            (2, 23),
            (3, 20),
            (4, 29),
            (5, 3),
            (5, 4),
            (5, 5),
            (5, 6),
            (7, 20),
            (8, 11),
            (9, 21),
            (9, 22),
            (9, 23),
            (10, 12),
            (11, 3),
            (11, 23),
        ];
        for month in 1..=12 {
            for day in 1..=28 {
                assert_eq!(is_holiday(2026, month, day), year_2026.contains(&(month, day)), "2026-{month}-{day}");
            }
        }
        assert!(is_holiday(2021, 8, 9), "mountain day on a Sunday in 2021");
        assert!(!is_holiday(2021, 10, 11), "sports day moved in 2021");
        assert!(is_holiday(2025, 2, 24), "the Emperor's birthday 2025 fell on a Sunday");
    }
}
