//! The clock of the program, so that nothing else asks the system for the time.
//! It refuses to guess a time zone: the organisation's zone comes from the configuration.

mod holidays;

use crate::facts::LocalTime;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::time::{SystemTime, UNIX_EPOCH};

/// Tells the time: the system's in service, a fixed one in tests.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The system's clock.
    System(TimeZone),
    /// Always this moment (epoch milliseconds).
    Fixed(u64, TimeZone),
}

impl Clock {
    /// The system's clock in a zone.
    #[must_use]
    pub fn system(zone: TimeZone) -> Self {
        Self::System(zone)
    }

    /// Epoch milliseconds.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        match self {
            Self::System(_) => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX)),
            Self::Fixed(ms, _) => *ms,
        }
    }

    /// The zone of the organisation.
    #[must_use]
    pub fn zone(&self) -> &TimeZone {
        match self {
            Self::System(zone) | Self::Fixed(_, zone) => zone,
        }
    }

    /// A moment as rules see it.
    #[must_use]
    pub fn local(&self, epoch_ms: u64) -> LocalTime {
        let zoned = timestamp(epoch_ms).to_zoned(self.zone().clone());
        let minute = i32::from(zoned.hour()) * 60 + i32::from(zoned.minute());
        LocalTime {
            epoch_ms,
            minute: u16::try_from(minute).unwrap_or(0),
            weekday: u8::try_from(zoned.weekday().to_monday_one_offset()).unwrap_or(1),
            holiday: holidays::is_holiday(i32::from(zoned.year()), zoned.month().into(), zoned.day().into()),
        }
    }

    /// A moment as `Received` and `Date` fields write it (RFC 5322 3.3).
    #[must_use]
    pub fn rfc5322(&self, epoch_ms: u64) -> String {
        let zoned = timestamp(epoch_ms).to_zoned(self.zone().clone());
        zoned.strftime("%a, %-d %b %Y %H:%M:%S %z").to_string()
    }

    /// A moment as people read it: `2026-11-22 18:00`.
    #[must_use]
    pub fn readable(&self, epoch_ms: u64) -> String {
        timestamp(epoch_ms).to_zoned(self.zone().clone()).strftime("%Y-%m-%d %H:%M").to_string()
    }
}

fn timestamp(epoch_ms: u64) -> Timestamp {
    Timestamp::from_millisecond(i64::try_from(epoch_ms).unwrap_or(i64::MAX)).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_told_in_the_organisations_zone() -> Result<(), Box<dyn std::error::Error>> {
        let clock = Clock::Fixed(1_695_108_600_000, TimeZone::get("Asia/Tokyo")?);
        assert_eq!(clock.rfc5322(clock.now_ms()), "Tue, 19 Sep 2023 16:30:00 +0900");
        assert_eq!(clock.readable(clock.now_ms()), "2023-09-19 16:30");
        let local = clock.local(clock.now_ms());
        assert_eq!((local.minute, local.weekday, local.holiday), (990, 2, false));
        Ok(())
    }
}
