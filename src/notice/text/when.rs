//! Moments and spans in the reader's words and the organisation's local time.
//! It refuses to read a clock: every moment is given in epoch milliseconds.

use super::{Language, counted, number};
use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// A moment: `2026年11月22日（日） 18:00`, `2026-11-22 18:00 (Sunday, JST)`.
#[must_use]
pub fn moment(language: Language, epoch_ms: u64, zone: &TimeZone) -> String {
    let local = local(epoch_ms, zone);
    let (hour, minute) = (local.hour(), local.minute());
    match language {
        Language::Ja => {
            let (year, month, day) = (local.year(), local.month(), local.day());
            format!("{year}年{month}月{day}日（{}） {hour:02}:{minute:02}", weekday(language, local.weekday()))
        }
        Language::En => format!("{}, {})", local.strftime("%Y-%m-%d %H:%M (%A"), local.strftime("%Z")),
    }
}

/// A length of time, rounded down to its largest unit: `5分`, `24 hours`.
#[must_use]
pub fn span(language: Language, milliseconds: u64) -> String {
    let minutes = (milliseconds / 60_000).max(1);
    let (count, ja, one, many) = match minutes {
        0..=119 => (minutes, "分", "minute", "minutes"),
        120..=2_879 => (minutes / 60, "時間", "hour", "hours"),
        _ => (minutes / 1_440, "日", "day", "days"),
    };
    language.pick(format!("{}{ja}", number(count)), counted(count, one, many))
}

/// The civil time; what lies outside the calendar of `jiff` (year 9999) stops at its end.
fn local(epoch_ms: u64, zone: &TimeZone) -> Zoned {
    let epoch_ms = i64::try_from(epoch_ms).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(epoch_ms).unwrap_or(Timestamp::MAX).to_zoned(zone.clone())
}

fn weekday(language: Language, weekday: Weekday) -> &'static str {
    match weekday {
        Weekday::Monday => language.pick("月", "Monday"),
        Weekday::Tuesday => language.pick("火", "Tuesday"),
        Weekday::Wednesday => language.pick("水", "Wednesday"),
        Weekday::Thursday => language.pick("木", "Thursday"),
        Weekday::Friday => language.pick("金", "Friday"),
        Weekday::Saturday => language.pick("土", "Saturday"),
        Weekday::Sunday => language.pick("日", "Sunday"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_local_and_names_the_day() {
        let tokyo = TimeZone::get("Asia/Tokyo").unwrap();
        let at = 1_795_338_000_000; // 2026-11-22T09:00:00Z
        assert_eq!(moment(Language::Ja, at, &tokyo), "2026年11月22日（日） 18:00");
        assert_eq!(moment(Language::En, at, &tokyo), "2026-11-22 18:00 (Sunday, JST)");
        assert!(moment(Language::Ja, u64::MAX, &tokyo).starts_with("9999年"));
    }

    #[test]
    fn a_span_has_one_unit() {
        for (milliseconds, ja, en) in [
            (1_000, "1分", "1 minute"),
            (300_000, "5分", "5 minutes"),
            (86_400_000, "24時間", "24 hours"),
            (259_200_000, "3日", "3 days"),
        ] {
            assert_eq!(span(Language::Ja, milliseconds), ja);
            assert_eq!(span(Language::En, milliseconds), en);
        }
    }
}
